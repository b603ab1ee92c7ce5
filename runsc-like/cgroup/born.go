package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Make makes the cgroup, without processes and limits. One that has processes
// already, or that is frozen, is somebody else's, and an error.
//
// A scope of systemd cannot be made so, as it has processes or is none: see Early.
func (m *Manager) Make() error {
	if err := m.unused(); err != nil {
		return err
	}
	return m.make(-1)
}

// make makes the cgroup and moves a process into it, if it is not -1.
func (m *Manager) make(pid int) error {
	err := m.lib.Apply(pid)
	if m.refused = errors.Is(err, cgroups.ErrRootless); err != nil && !m.refused {
		return explain("make the cgroup", err, moving)
	}
	return nil
}

// Limit sets the limits of the specification for a cgroup that Make made.
func (m *Manager) Limit() error {
	if m.refused && len(m.lib.GetPaths()) == 0 {
		return nil
	}
	return m.set(m.cfg.Resources)
}

// Early reports whether the cgroup can be made before there are processes for it.
func (m *Manager) Early() bool { return !m.cfg.Systemd }

// Within calls start on a thread that is in the cgroup, so that the processes
// which it starts are born there; inside says that they are. On v2 start has to
// say so when it clones (CLONE_INTO_CGROUP), with the descriptor that it is
// given; -1 is none.
//
// Moving a process instead (Add) waits for all processors of the host to have
// passed through the scheduler, 8 to 16 ms: the kernel's lock on thread groups
// is a percpu_rw_semaphore. Neither moving one thread nor clone takes it.
func (m *Manager) Within(start func(cgroup int) error) (inside bool, err error) {
	threads, unified, ok := m.birthplaces()
	if !ok {
		return false, start(-1)
	}
	fd := -1
	if unified != "" {
		if fd, err = unix.Open(unified, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return false, fmt.Errorf("cgroup: open %s: %w", unified, err)
		}
		defer unix.Close(fd)
	}
	if len(threads) == 0 {
		return true, start(fd)
	}
	tid := onOwnThread(func() {
		for _, dir := range threads {
			if err = enter(dir, "tasks", 0); err != nil {
				return
			}
		}
		inside, err = true, start(fd)
	})
	return inside, errors.Join(err, threadGone(tid))
}

// onOwnThread runs f on a thread that ends then, and returns its number.
func onOwnThread(f func()) (tid int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if tid = unix.Gettid(); tid == unix.Getpid() {
			// The first thread of a process does not end. While this goroutine has
			// it, another one has another thread.
			tid = onOwnThread(f)
			runtime.UnlockOSThread()
			return
		}
		f() // it stays locked, so that the thread ends with the goroutine
	}()
	<-done
	return tid
}

// birthplaces are the directories of v1, for a thread, and the one of v2.
func (m *Manager) birthplaces() (threads []string, unified string, ok bool) {
	if m.cfg.Rootless || !m.Early() {
		return nil, "", false // what may be refused is moved there by Add, which knows
	}
	seen := map[string]bool{}
	for name, dir := range m.lib.GetPaths() {
		switch {
		case dir == "" || seen[dir]:
		case name == "":
			if isCgroup(dir, unix.CGROUP2_SUPER_MAGIC) {
				unified = dir
			}
		case isCgroup(dir, unix.CGROUP_SUPER_MAGIC):
			threads = append(threads, dir)
		}
		seen[dir] = true
	}
	if unified != "" {
		// Some sandboxes of others refuse clone3(2). Of an argument of no size it
		// says that it is invalid.
		if _, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); errno != unix.EINVAL {
			return nil, "", false
		}
	}
	return threads, unified, true
}

// enter writes a number, 0 for the calling thread, into a file of a cgroup that
// moves who is written there.
func enter(dir, file string, id int) error {
	if err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(id)), 0); err != nil {
		return explain("enter the cgroup", err, moving)
	}
	return nil
}

// threadGone waits until a thread of this process that is ending has ended: for
// as long as it is there, the cgroup has this process.
func threadGone(tid int) error {
	const patience, step = 5 * time.Second, 20 * time.Microsecond
	for begin := time.Now(); unix.Tgkill(unix.Getpid(), tid, 0) == nil; time.Sleep(step) {
		if time.Since(begin) > patience {
			return fmt.Errorf("cgroup: thread %d, which started the processes, does not end", tid)
		}
	}
	return nil
}
