package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// sigsetSize is sizeof(sigset_t) as the kernel has it.
const sigsetSize = 8

// rtSigaction is rt_sigaction(2).
func rtSigaction(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Size() != sigsetSize {
		return 0, unix.EINVAL
	}
	var set *kernel.SigAction
	if a[1] != 0 {
		act, err := usermem.In[kernel.SigAction](t.Mem(), usermem.Addr(a[1]))
		if err != nil {
			return 0, err
		}
		set = &act
	}
	old, err := t.SigAction(a[0].Int(), set)
	if err != nil || a[2] == 0 {
		return 0, err
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[2]), &old)
}

// rtSigprocmask is rt_sigprocmask(2).
func rtSigprocmask(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Size() != sigsetSize {
		return 0, unix.EINVAL
	}
	old := t.SignalMask()
	if a[1] != 0 {
		set, err := usermem.In[kernel.SignalSet](t.Mem(), usermem.Addr(a[1]))
		if err != nil {
			return 0, err
		}
		switch a[0].Int() {
		case unix.SIG_BLOCK:
			set |= old
		case unix.SIG_UNBLOCK:
			set = old &^ set
		case unix.SIG_SETMASK:
		default:
			return 0, unix.EINVAL
		}
		t.SetSignalMask(set)
	}
	if a[2] == 0 {
		return 0, nil
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[2]), &old)
}

// rtSigreturn is rt_sigreturn(2).
func rtSigreturn(t *kernel.Task, _ arch.Args) (uintptr, error) { return t.SigReturn(), nil }

// rtSigpending is rt_sigpending(2).
func rtSigpending(t *kernel.Task, a arch.Args) (uintptr, error) {
	size := a[1].Size()
	if size > sigsetSize {
		return 0, unix.EINVAL
	}
	set := t.PendingSignals()
	_, err := t.Mem().CopyOut(usermem.Addr(a[0]), usermem.BytesOf(&set)[:size])
	return 0, err
}

// sigaltstack is sigaltstack(2).
func sigaltstack(t *kernel.Task, a arch.Args) (uintptr, error) {
	var set *arch.AltStack
	if a[0] != 0 {
		s, err := usermem.In[arch.AltStack](t.Mem(), usermem.Addr(a[0]))
		if err != nil {
			return 0, err
		}
		set = &s
	}
	old, err := t.SetAltStack(set)
	if err != nil || a[1] == 0 {
		return 0, err
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &old)
}
