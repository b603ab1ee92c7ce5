package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// poll is poll(2).
func poll(t *kernel.Task, a arch.Args) (uintptr, error) {
	r := &pollRestart{addr: usermem.Addr(a[0]), n: a[1].Uint(), wait: millis(a[2].Int())}
	return r.Restart(t)
}

// ppoll is ppoll(2).
func ppoll(t *kernel.Task, a arch.Args) (uintptr, error) {
	w, err := timespecArg(t, a[2])
	if err != nil {
		return 0, err
	}
	if err := maskArg(t, a[3], a[4]); err != nil {
		return 0, err
	}
	n, err := doPoll(t, usermem.Addr(a[0]), a[1].Uint(), w)
	outLeft(t, a[2], w)
	return n, interrupted(err)
}

// pollRestart is a poll that goes on after a signal, until the same deadline.
type pollRestart struct {
	addr usermem.Addr
	n    uint32
	wait timeout
}

// Restart implements kernel.Restart.
func (r *pollRestart) Restart(t *kernel.Task) (uintptr, error) {
	n, err := doPoll(t, r.addr, r.n, r.wait)
	if err == abi.ERESTARTSYS {
		return 0, t.SetRestart(r)
	}
	return n, err
}

func doPoll(t *kernel.Task, addr usermem.Addr, n uint32, w timeout) (uintptr, error) {
	if uint64(n) > fdLimit(t) || n > 1<<20 {
		return 0, unix.EINVAL
	}
	fds, err := usermem.InSlice[unix.PollFd](t.Mem(), addr, int(n))
	if err != nil {
		return 0, err
	}
	files := make([]polled, n)
	defer dropPolled(t, files)
	invalid := 0
	for i := range fds {
		fds[i].Revents = 0
		if fds[i].Fd < 0 {
			continue
		}
		f, err := t.Files().Get(fds[i].Fd)
		if err != nil {
			fds[i].Revents = unix.POLLNVAL
			invalid++
			continue
		}
		files[i].file, files[i].want = f, wait.Mask(uint16(fds[i].Events))
	}
	if invalid > 0 {
		w = after(0)
	}
	ready, err := pollFiles(t, files, w)
	if err != nil {
		return 0, err
	}
	for i := range files {
		if files[i].got != 0 {
			fds[i].Revents = int16(files[i].got)
		}
	}
	return uintptr(ready + invalid), outRevents(t, addr, fds)
}

// outRevents writes the results back, and only these: another thread may change
// the rest meanwhile.
func outRevents(t *kernel.Task, addr usermem.Addr, fds []unix.PollFd) error {
	const size, revents = 8, 6
	for i := range fds {
		if err := usermem.Out(t.Mem(), addr+usermem.Addr(i*size+revents), &fds[i].Revents); err != nil {
			return err
		}
	}
	return nil
}
