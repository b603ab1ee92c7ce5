package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/pidfd"
	"hull/fsimpl/proc"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// pidfdOpen is pidfd_open(2).
func pidfdOpen(t *kernel.Task, a arch.Args) (uintptr, error) {
	pid, flags := a[0].Int(), a[1].Uint()
	if flags&^(pidfd.NonBlock|pidfd.Thread) != 0 || pid <= 0 {
		return 0, unix.EINVAL
	}
	r, err := t.PIDRef(pid, flags&pidfd.Thread != 0)
	if err != nil {
		return 0, err
	}
	return install(t, pidfd.New(t, r, flags), true)
}

// pidRefArg returns what a pidfd stands for, and its flags: EBADF.
func pidRefArg(t *kernel.Task, a arch.Arg) (kernel.PIDRef, uint32, error) {
	f, err := fileArg(t, a)
	if err != nil {
		return kernel.PIDRef{}, 0, err
	}
	defer f.DecRef(t)
	if r, ok := pidfd.Of(f); ok {
		return r, f.Flags(), nil
	}
	return kernel.PIDRef{}, 0, unix.EBADF
}

// pidfdSendSignal is pidfd_send_signal(2). Instead of a pidfd it takes a directory
// /proc/PID.
func pidfdSendSignal(t *kernel.Task, a arch.Args) (uintptr, error) {
	signo, flags := a[1].Int(), a[3].Uint()
	switch flags {
	case 0, kernel.SignalThread, kernel.SignalProcess, kernel.SignalGroup:
	default:
		return 0, unix.EINVAL
	}
	r, err := signalled(t, a[0])
	if err != nil {
		return 0, err
	}
	info := kernel.SignalInfo{Signo: signo}
	if a[2] != 0 {
		if info, err = givenSiginfo(t, a[2]); err != nil {
			return 0, err
		}
		if info.Signo != signo {
			return 0, unix.EINVAL
		}
	}
	return 0, t.SignalRef(r, info, flags)
}

// signalled returns whom the first argument of pidfd_send_signal(2) names.
func signalled(t *kernel.Task, a arch.Arg) (kernel.PIDRef, error) {
	f, err := t.Files().GetPath(a.Int())
	if err != nil {
		return kernel.PIDRef{}, err
	}
	defer f.DecRef(t)
	if r, ok := pidfd.Of(f); ok {
		return r, nil
	}
	if o := proc.TaskOf(f); o != nil {
		return kernel.RefOf(o), nil
	}
	return kernel.PIDRef{}, unix.EBADF
}

// pidfdGetfd is pidfd_getfd(2).
func pidfdGetfd(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[2].Uint() != 0 {
		return 0, unix.EINVAL
	}
	r, _, err := pidRefArg(t, a[0])
	if err != nil {
		return 0, err
	}
	f, err := t.FileOf(r, a[1].Int())
	if err != nil {
		return 0, err
	}
	return install(t, f, true)
}

// withPIDFD makes a clone give a pidfd of the child, at addr.
func withPIDFD(t *kernel.Task, a *kernel.CloneArgs, addr usermem.Addr) {
	if a.Flags&unix.CLONE_PIDFD == 0 {
		return
	}
	var flags uint32
	if a.Flags&unix.CLONE_THREAD != 0 {
		flags = pidfd.Thread
	}
	a.Prepare = func(child kernel.PIDRef) (func(), error) {
		fd, err := install(t, pidfd.New(t, child, flags), true)
		if err != nil {
			return nil, err
		}
		n := int32(fd)
		cancel := func() { _ = t.Files().Close(t, n) }
		if err := usermem.Out(t.Mem(), addr, &n); err != nil {
			cancel()
			return nil, err
		}
		return cancel, nil
	}
}
