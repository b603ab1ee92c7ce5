package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/pidfd"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// exit is exit(2): of the thread.
func exit(t *kernel.Task, a arch.Args) (uintptr, error) {
	t.Exit(a[0].Int())
	return 0, nil
}

// exitGroup is exit_group(2).
func exitGroup(t *kernel.Task, a arch.Args) (uintptr, error) {
	t.ExitGroup(a[0].Int())
	return 0, nil
}

const waitKinds = unix.WNOTHREAD | unix.WALL | -1<<31 // the last is __WCLONE

// wait4 is wait4(2).
func wait4(t *kernel.Task, a arch.Args) (uintptr, error) {
	pid, opts := a[0].Int(), a[2].Int()
	if opts&^(unix.WNOHANG|unix.WUNTRACED|unix.WCONTINUED|waitKinds) != 0 {
		return 0, unix.EINVAL
	}
	o := kernel.WaitOpts{Options: opts | unix.WEXITED}
	switch {
	case pid == -1<<31:
		return 0, unix.ESRCH
	case pid > 0:
		o.PID = pid
	case pid < -1:
		o.PGID = -pid
	case pid == 0:
		pg, err := t.PGID(0, false)
		if err != nil {
			return 0, err
		}
		o.PGID = pg
	}
	r, err := t.Wait(o)
	if err != nil || r.PID == 0 {
		return 0, err
	}
	if p := usermem.Addr(a[1]); p != 0 {
		if err := usermem.Out(t.Mem(), p, &r.Status); err != nil {
			return 0, err
		}
	}
	if p := usermem.Addr(a[3]); p != 0 {
		if err := usermem.Out(t.Mem(), p, &r.Usage); err != nil {
			return 0, err
		}
	}
	return uintptr(r.PID), nil
}

// The kinds of id of waitid(2).
const (
	idAll   = 0
	idPID   = 1
	idPGID  = 2
	idPIDFD = 3
)

// waitid is waitid(2).
func waitid(t *kernel.Task, a arch.Args) (uintptr, error) {
	kind, id, opts := a[0].Int(), a[1].Int(), a[3].Int()
	const events = unix.WEXITED | unix.WSTOPPED | unix.WCONTINUED
	if opts&^(unix.WNOHANG|unix.WNOWAIT|events|waitKinds) != 0 || opts&events == 0 {
		return 0, unix.EINVAL
	}
	o := kernel.WaitOpts{Options: opts}
	switch kind {
	case idAll:
	case idPID:
		if o.PID = id; id <= 0 {
			return 0, unix.EINVAL
		}
	case idPGID:
		if id < 0 {
			return 0, unix.EINVAL
		}
		if o.PGID = id; id == 0 {
			pg, err := t.PGID(0, false)
			if err != nil {
				return 0, err
			}
			o.PGID = pg
		}
	case idPIDFD:
		if id < 0 {
			return 0, unix.EINVAL
		}
		r, flags, err := pidRefArg(t, a[1])
		if err != nil {
			return 0, err
		}
		if o.Of = &r; flags&pidfd.NonBlock != 0 {
			o.Options |= unix.WNOHANG
		}
	default:
		return 0, unix.EINVAL
	}
	r, err := t.Wait(o)
	if err != nil {
		return 0, err
	}
	if r.PID == 0 && opts&unix.WNOHANG == 0 {
		return 0, unix.EAGAIN // it was the pidfd that would not wait
	}
	if p := usermem.Addr(a[4]); p != 0 && r.PID != 0 {
		if err := usermem.Out(t.Mem(), p, &r.Usage); err != nil {
			return 0, err
		}
	}
	if p := usermem.Addr(a[2]); p != 0 {
		// Not all of siginfo_t is written, as on Linux.
		var info struct {
			Signo, Errno, Code, _, PID int32
			UID                        uint32
			Status                     int32
		}
		if r.PID != 0 {
			info.Signo, info.Code, info.PID, info.UID, info.Status = int32(unix.SIGCHLD), r.Code, r.PID, r.UID, r.Value
		}
		if err := usermem.Out(t.Mem(), p, &info); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
