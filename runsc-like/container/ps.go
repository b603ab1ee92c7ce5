package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"hull/runsc-like/control"
)

// Processes lists the guest's processes: none if the container has stopped.
func (r Root) Processes(id string) ([]control.ProcessInfo, error) {
	c, err := r.Look(id)
	if err != nil {
		return nil, err
	}
	if still, err := c.still(); err == nil && still && c.Sandbox == "" {
		return c.pausedProcesses(), nil
	}
	return c.running()
}

// running asks the sandbox for the guest's processes.
func (c *Container) running() ([]control.ProcessInfo, error) {
	conn, err := c.dial()
	if errors.Is(err, ErrNotRunning) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	m, err := ask(conn, control.Message{Kind: control.Processes})
	if errors.Is(err, ErrNotRunning) || isUnknown(err) {
		return nil, nil
	}
	var list []control.ProcessInfo
	for ; err == nil && m.Kind == control.Process && m.Info != nil; m, err = answer(conn) {
		list = append(list, *m.Info)
	}
	if err == nil && m.Kind != control.Done {
		err = unexpected(m)
	}
	return list, err
}

// notePaused has the record tell the guest's processes, about to be paused: then nobody
// can be asked.
func (c *Container) notePaused() error {
	list, err := c.running()
	if err != nil {
		return err
	}
	c.Paused = list
	return c.save()
}

// pausedProcesses lists the guest's processes that there were at the pause, but those
// whose code no process of the host runs any more.
func (c *Container) pausedProcesses() []control.ProcessInfo {
	stubs := c.stubs()
	return slices.DeleteFunc(slices.Clone(c.Paused), func(p control.ProcessInfo) bool { return p.Process != 0 && stubs[p.Process] == 0 })
}

// HostProcesses lists the host's processes that run the code of a container's.
// Where the sandbox cannot be asked, or nothing runs yet, it lists all that the
// container is made of.
func (r Root) HostProcesses(id string) ([]int, error) {
	c, err := r.Look(id)
	if err != nil {
		return nil, err
	}
	var pids []int // as JSON, none are null with runc too
	list, err := r.Processes(id)
	if still, _ := c.still(); err != nil && !still && !errors.Is(err, errPaused) {
		return nil, err
	}
	stubs := c.stubs()
	for _, p := range list {
		if pid := stubs[p.Process]; pid != 0 && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	if len(pids) > 0 {
		return pids, nil
	}
	if m, err := c.manager(); err == nil && m != nil && m.Exists() {
		all, err := m.Pids()
		return append(pids, all...), err
	}
	for _, p := range c.processes() {
		if p.Alive() {
			pids = append(append(pids, p.PID), children(p.PID)...)
		}
	}
	return pids, nil
}

// stubs returns the processes on the host of the container's sandbox, beside the
// sentry, by the numbers that they have there.
func (c *Container) stubs() map[int]int {
	all := map[int]int{}
	for _, pid := range children(c.Sentry.PID) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may be gone
		for line := range strings.Lines(string(b)) {
			// Its number in each pid namespace, the sandbox's last.
			if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
				f := strings.Fields(ids)
				if n, err := strconv.Atoi(f[len(f)-1]); err == nil && len(f) > 1 {
					all[n] = pid
				}
				break
			}
		}
	}
	return all
}

// children lists the descendants of a process.
func children(pid int) []int {
	var all []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // it may be gone
	for _, t := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, f := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				all = append(append(all, n), children(n)...)
			}
		}
	}
	return all
}
