package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/signalfd"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// pause is pause(2).
func pause(t *kernel.Task, _ arch.Args) (uintptr, error) { return 0, t.Pause() }

// rtSigsuspend is rt_sigsuspend(2).
func rtSigsuspend(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[1].Size() != sigsetSize {
		return 0, unix.EINVAL
	}
	set, err := usermem.In[kernel.SignalSet](t.Mem(), usermem.Addr(a[0]))
	if err != nil {
		return 0, err
	}
	t.SetTemporaryMask(set)
	return 0, t.Pause()
}

// rtSigtimedwait is rt_sigtimedwait(2).
func rtSigtimedwait(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Size() != sigsetSize {
		return 0, unix.EINVAL
	}
	set, err := usermem.In[kernel.SignalSet](t.Mem(), usermem.Addr(a[0]))
	if err != nil {
		return 0, err
	}
	w, err := timespecArg(t, a[2])
	if err != nil {
		return 0, err
	}
	info, err := t.WaitSignal(set, w.deadline)
	if err != nil {
		return 0, err
	}
	if a[1] != 0 {
		b := info.Marshal()
		if _, err := t.Mem().CopyOut(usermem.Addr(a[1]), b[:]); err != nil {
			return 0, err
		}
	}
	return uintptr(info.Signo), nil
}

// signalfdOld is signalfd(2), the old call without flags.
func signalfdOld(t *kernel.Task, a arch.Args) (uintptr, error) {
	a[3] = 0
	return signalfd4(t, a)
}

// signalfd4 is signalfd4(2).
func signalfd4(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[3].Uint()
	if a[2].Size() != sigsetSize {
		return 0, unix.EINVAL
	}
	set, err := usermem.In[kernel.SignalSet](t.Mem(), usermem.Addr(a[1]))
	if err != nil {
		return 0, err
	}
	if flags&^uint32(unix.SFD_CLOEXEC|unix.SFD_NONBLOCK) != 0 {
		return 0, unix.EINVAL
	}
	if a[0].Int() == -1 {
		f := signalfd.New(t.Kernel().Anon(), t, set, flags&unix.SFD_NONBLOCK)
		return install(t, f, flags&unix.SFD_CLOEXEC != 0)
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	s := signalfd.Of(f)
	if s == nil {
		return 0, unix.EINVAL
	}
	s.SetMask(set)
	return uintptr(a[0].Int()), nil
}
