package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// flock is flock(2).
func flock(t *kernel.Task, a arch.Args) (uintptr, error) {
	op := a[1].Int()
	switch op &^ unix.LOCK_NB {
	case unix.LOCK_SH, unix.LOCK_EX, unix.LOCK_UN:
	default:
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.Flock(t, op)
}

// fcntlLock is F_GETLK, F_SETLK, F_SETLKW and their like for open file
// descriptions.
func fcntlLock(t *kernel.Task, f *vfs.File, cmd int32, addr arch.Arg) error {
	fl, err := usermem.In[unix.Flock_t](t.Mem(), usermem.Addr(addr))
	if err != nil {
		return err
	}
	var owner any = t.Files()
	switch cmd {
	case unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		if fl.Pid != 0 {
			return unix.EINVAL
		}
		owner = f
		cmd += unix.F_GETLK - unix.F_OFD_GETLK
	}
	if err := f.PosixLock(t, cmd, &fl, owner); err != nil {
		return err
	}
	if cmd != unix.F_GETLK {
		return nil
	}
	return usermem.Out(t.Mem(), usermem.Addr(addr), &fl)
}
