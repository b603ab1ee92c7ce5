package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/seccompfd"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/seccomp"
	"hull/sentry/usermem"
)

// seccompCall is seccomp(2).
func seccompCall(t *kernel.Task, a arch.Args) (uintptr, error) {
	op, flags, addr := a[0].Uint(), a[1].Uint(), usermem.Addr(a[2])
	switch op {
	case unix.SECCOMP_SET_MODE_STRICT:
		if flags != 0 || addr != 0 {
			return 0, unix.EINVAL
		}
		return 0, t.SeccompStrict()
	case unix.SECCOMP_SET_MODE_FILTER:
		return seccompFilter(t, flags, addr)
	case unix.SECCOMP_GET_ACTION_AVAIL:
		if flags != 0 {
			return 0, unix.EINVAL
		}
		action, err := usermem.In[uint32](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		switch action {
		case unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_KILL_THREAD, unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_ERRNO,
			unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ALLOW:
			return 0, nil
		}
		return 0, unix.EOPNOTSUPP
	case unix.SECCOMP_GET_NOTIF_SIZES:
		if flags != 0 {
			return 0, unix.EINVAL
		}
		// struct seccomp_notif_sizes: of a notification, its answer, the call.
		return 0, usermem.Out(t.Mem(), addr, &[3]uint16{80, 24, 64})
	}
	return 0, unix.EINVAL
}

// prctlSeccomp is PR_SET_SECCOMP of prctl(2).
func prctlSeccomp(t *kernel.Task, mode uint64, addr usermem.Addr) (uintptr, error) {
	switch mode {
	case unix.SECCOMP_MODE_STRICT:
		return 0, t.SeccompStrict()
	case unix.SECCOMP_MODE_FILTER:
		return seccompFilter(t, 0, addr)
	}
	return 0, unix.EINVAL
}

// seccompFilter adds a filter of the guest's.
func seccompFilter(t *kernel.Task, flags uint32, addr usermem.Addr) (uintptr, error) {
	const (
		all      = unix.SECCOMP_FILTER_FLAG_TSYNC
		esrch    = unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
		listen   = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		killable = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		known    = unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW | all | esrch | listen | killable
	)
	switch {
	case flags&^known != 0:
		return 0, unix.EINVAL
	case flags&(all|listen) == all|listen && flags&esrch == 0:
		t.Note("a thread that cannot be synchronised and a descriptor would look alike")
		return 0, unix.EINVAL
	case flags&killable != 0 && flags&listen == 0:
		return 0, unix.EINVAL
	}
	p, err := copyInProgram(t, addr)
	if err != nil {
		return 0, err
	}
	if flags&listen == 0 {
		tid, err := t.SeccompFilter(p, flags&unix.SECCOMP_FILTER_FLAG_LOG != 0, flags&all != 0, nil)
		if tid != 0 && flags&esrch != 0 {
			return 0, unix.ESRCH
		}
		return uintptr(tid), err
	}
	// The descriptor first: once the filter is there, closing it may be a call
	// that waits for its reader.
	l := seccomp.NewListener(flags&killable != 0)
	fd, err := install(t, seccompfd.New(t, l), true)
	if err != nil {
		return 0, err
	}
	tid, err := t.SeccompFilter(p, flags&unix.SECCOMP_FILTER_FLAG_LOG != 0, flags&all != 0, l)
	if err == nil && tid != 0 {
		err = unix.ESRCH
	}
	if err != nil {
		_ = t.Files().Close(t, int32(fd))
		return 0, err
	}
	return fd, nil
}

// sockFprog is struct sock_fprog.
type sockFprog struct {
	Len    uint16
	_      [6]byte
	Filter uint64
}

// copyInProgram reads and checks a program, if the caller may have one.
func copyInProgram(t *kernel.Task, addr usermem.Addr) (*seccomp.Program, error) {
	fp, err := usermem.In[sockFprog](t.Mem(), addr)
	if err != nil {
		return nil, err
	}
	if fp.Len == 0 || int(fp.Len) > seccomp.MaxLen {
		return nil, unix.EINVAL
	}
	if c := t.Cred(); !c.NoNewPrivs && !c.HasCap(unix.CAP_SYS_ADMIN) {
		return nil, unix.EACCES
	}
	b := make([]byte, int(fp.Len)*seccomp.InstructionSize)
	if _, err := t.Mem().CopyIn(usermem.Addr(fp.Filter), b); err != nil {
		return nil, err
	}
	return seccomp.Parse(b)
}
