package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process of the host, by its number and the time of its start, so
// that another one that was given the number later is not taken for it.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since the host booted: field 22 of /proc/PID/stat
}

// possible reports whether it is a process, or none.
func (p Process) possible() bool {
	const most = 1 << 22 // PID_MAX_LIMIT of the kernel
	return p.PID >= 0 && p.PID <= most
}

// processOf describes the live process pid.
func processOf(pid int) (Process, error) {
	start, _, err := procStat(pid)
	return Process{pid, start}, err
}

// procStat reads when a process was started, and its state.
func procStat(pid int) (start uint64, state byte, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	// 12 (name, which may hold anything) S …
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	const startField, first = 22, 3 // numbers in proc_pid_stat(5); what follows the name is field 3
	f := bytes.Fields(b[i+1:])
	if len(f) <= startField-first {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	start, err = strconv.ParseUint(string(f[startField-first]), 10, 64)
	return start, f[0][0], err
}

// Alive reports whether the process is there. A zombie is not.
func (p Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	start, state, err := procStat(p.PID)
	return err == nil && start == p.Start && state != 'Z' && state != 'X'
}

// open returns a descriptor of the process; unix.ESRCH if it is gone.
func (p Process) open() (int, error) {
	if p.PID <= 0 {
		return -1, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return -1, err
	}
	// The number names fd's process for as long as that one is alive.
	if !p.Alive() {
		_ = unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

// end kills the process and waits until it is gone.
func (p Process) end() error {
	fd, err := p.open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	if !waitEnd(fd, deathPatience) {
		return fmt.Errorf("process %d does not die", p.PID)
	}
	return nil
}

// deathPatience is how long a killed process may take to go. Its memory is given
// back first.
const deathPatience = 30 * time.Second

// waitEnd waits until the process of the descriptor has ended.
func waitEnd(fd int, most time.Duration) bool {
	deadline := time.Now().Add(most)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if n > 0 {
			return true
		}
	}
}
