package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Pids returns the processes in the cgroup and below. One that is not there has
// none.
func (m *Manager) Pids() ([]int, error) {
	pids := map[int]bool{}
	for _, dir := range m.processDirs() {
		list, err := cgroups.GetAllPids(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
			return nil, fmt.Errorf("cgroup: list the processes: %w", err)
		}
		for _, pid := range list {
			pids[pid] = true
		}
	}
	list := make([]int, 0, len(pids))
	for pid := range pids {
		list = append(list, pid)
	}
	slices.Sort(list)
	return list, nil
}

// processDirs are the directories that say which processes are the container's.
// On v1 a crash can leave a process in some of them only, and with some not
// made: each is looked into. Those of a rootless container that got none are
// not its own.
func (m *Manager) processDirs() []string {
	var dirs []string
	for name, dir := range m.lib.GetPaths() {
		// The library lists a controller also if it is not mounted.
		if dir == "" || name != "" && !isCgroup(dir, unix.CGROUP_SUPER_MAGIC) {
			continue
		}
		if name == "" && !isCgroup(dir, unix.CGROUP2_SUPER_MAGIC) {
			continue
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

func isCgroup(dir string, magic int64) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == magic
}

// Kill kills what is in the cgroup, frozen or not, until nothing is. That takes
// no longer than ctx.
//
// A process is held by a descriptor, then looked for again: if its number is
// still in the cgroup, the descriptor is that of a process of the cgroup, or of
// one that is dead. So a number that is used again never kills another process.
func (m *Manager) Kill(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		pids, err := m.Pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := m.killOnce(pids); err != nil {
			return err
		}
		// On v1, a frozen process dies when it thaws.
		if frozen, err := m.Frozen(); err == nil && frozen {
			if err := m.Thaw(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroup: processes %v do not die: %w", pids, ctx.Err())
		case <-time.After(wait):
		}
	}
}

func (m *Manager) killOnce(pids []int) error {
	// v2 kills all at once, those that are just being forked included.
	for name, dir := range m.lib.GetPaths() {
		if name == "" && cgroups.WriteFile(dir, "cgroup.kill", "1") == nil {
			break
		}
	}
	held := map[int]int{}
	defer func() {
		for _, fd := range held {
			unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cgroup: pidfd_open %d: %w", pid, err)
		}
		held[pid] = fd
	}
	still, err := m.Pids()
	if err != nil {
		return err
	}
	for _, pid := range still {
		fd, ok := held[pid]
		if !ok {
			continue // it came later: the next round's
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return explain(fmt.Sprintf("kill process %d", pid), err, killing)
		}
	}
	return nil
}

// Destroy removes the cgroup, which has no processes any more, and what is
// below it. One that is not there is no error.
func (m *Manager) Destroy() error {
	return explain("remove the cgroup", m.lib.Destroy(), moving)
}

// Vanish removes the cgroup if nothing is in it, and reports whether it is gone:
// what Kill and Destroy come to in most cases, without looking for processes.
func (m *Manager) Vanish() bool {
	if !m.Early() {
		return false // it is systemd's
	}
	for _, dir := range m.lib.GetPaths() {
		if dir == "" {
			continue
		}
		if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return true
}

// OOM sends each time the host's kernel killed processes of the cgroup for want
// of memory, until ctx is done or the cgroup is gone; then the channel is
// closed.
func (m *Manager) OOM(ctx context.Context) (<-chan struct{}, error) {
	paths := m.lib.GetPaths()
	if dir := paths["memory"]; dir != "" {
		return watchV1(ctx, dir)
	}
	if dir := paths[""]; dir != "" {
		return watchV2(ctx, dir)
	}
	return nil, errors.New("cgroup: the container has no memory controller")
}

// watchV1 asks the kernel for an eventfd(2) of memory.oom_control.
func watchV1(ctx context.Context, dir string) (<-chan struct{}, error) {
	event, err := cgroups.OpenFile(dir, "memory.oom_control", os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	defer event.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cgroup: eventfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "oom")
	if err := cgroups.WriteFile(dir, "cgroup.event_control", fmt.Sprintf("%d %d", fd, event.Fd())); err != nil {
		f.Close()
		return nil, fmt.Errorf("cgroup: watch for want of memory: %w", err)
	}
	gone := func() bool { // it tells of the cgroup's end as well
		_, err := os.Lstat(filepath.Join(dir, "memory.oom_control"))
		return err != nil
	}
	return watch(ctx, f, 8, func([]byte) (bool, bool) { return !gone(), gone() }), nil
}

// watchV2 asks inotify(7) for changes of memory.events.
func watchV2(ctx context.Context, dir string) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cgroup: inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "oom")
	for _, name := range []string{"memory.events", "cgroup.events"} {
		if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, name), unix.IN_MODIFY); err != nil {
			f.Close()
			return nil, fmt.Errorf("cgroup: watch %s: %w", name, err)
		}
	}
	last := oomKills(dir)
	return watch(ctx, f, 4096, func([]byte) (bool, bool) {
		n := oomKills(dir)
		more := n > last
		last = max(n, last)
		events, err := cgroups.ReadFile(dir, "cgroup.events")
		return more, err != nil || strings.Contains(events, "populated 0")
	}), nil
}

func oomKills(dir string) uint64 {
	text, _ := cgroups.ReadFile(dir, "memory.events") // it may be gone
	for line := range strings.Lines(text) {
		var n uint64
		if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
			return n
		}
	}
	return 0
}

// watch reads f, which it takes over, and lets what say of each read if it was
// for want of memory, and if it was the last.
func watch(ctx context.Context, f *os.File, size int, what func([]byte) (oom, last bool)) <-chan struct{} {
	c := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })
	go func() {
		defer close(c)
		defer f.Close()
		defer stop()
		buf := make([]byte, size)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			oom, last := what(buf[:n])
			if oom {
				select {
				case c <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
			if last {
				return
			}
		}
	}()
	return c
}
