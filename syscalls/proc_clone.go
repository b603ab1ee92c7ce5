package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/cgroup"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// csignal is the part of clone(2)'s flags that is the exit signal.
const csignal = 0xff

// maxSignal is the highest signal number.
const maxSignal = 64

// clone is clone(2), with the order of arguments that x86-64 has.
func clone(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := uint64(a[0].Uint()) // the upper half is ignored
	if flags&unix.CLONE_PIDFD != 0 && flags&(unix.CLONE_PARENT_SETTID|unix.CLONE_DETACHED) != 0 {
		return 0, unix.EINVAL // both are put where the parent's tid goes; the other is clone3's
	}
	args := kernel.CloneArgs{
		Flags: flags &^ csignal, ExitSignal: int32(flags & csignal), Stack: a[1].Uint64(),
		ParentTID: usermem.Addr(a[2]), ChildTID: usermem.Addr(a[3]), TLS: a[4].Uint64(),
	}
	withPIDFD(t, &args, args.ParentTID)
	return doClone(t, args)
}

func doClone(t *kernel.Task, a kernel.CloneArgs) (uintptr, error) {
	if a.ExitSignal > maxSignal {
		return 0, unix.EINVAL
	}
	tid, err := t.Clone(a)
	return uintptr(tid), err
}

// fork is fork(2).
func fork(t *kernel.Task, _ arch.Args) (uintptr, error) {
	return doClone(t, kernel.CloneArgs{ExitSignal: int32(unix.SIGCHLD)})
}

// vfork is vfork(2).
func vfork(t *kernel.Task, _ arch.Args) (uintptr, error) {
	return doClone(t, kernel.CloneArgs{Flags: unix.CLONE_VFORK | unix.CLONE_VM, ExitSignal: int32(unix.SIGCHLD)})
}

// cloneArgs is struct clone_args.
type cloneArgs struct {
	Flags, PIDFD, ChildTID, ParentTID, ExitSignal, Stack, StackSize, TLS uint64
	SetTID, SetTIDSize, Cgroup                                           uint64
}

const (
	cloneArgsV0   = 64
	cloneArgsSize = 88
)

// clone3 is clone3(2).
func clone3(t *kernel.Task, a arch.Args) (uintptr, error) {
	c, err := inExtensible[cloneArgs](t, usermem.Addr(a[0]), a[1].Uint64(), cloneArgsV0)
	if err != nil {
		return 0, err
	}
	switch {
	case c.Flags&csignal != 0 && c.Flags&csignal != unix.CLONE_NEWTIME,
		c.Flags&unix.CLONE_DETACHED != 0,
		c.Flags>>33 != 0 && c.Flags>>33 != 1, // nothing above CLONE_INTO_CGROUP
		c.ExitSignal&^csignal != 0 || c.ExitSignal > maxSignal,
		c.Flags&(unix.CLONE_THREAD|unix.CLONE_PARENT) != 0 && c.ExitSignal != 0,
		(c.Stack == 0) != (c.StackSize == 0):
		return 0, unix.EINVAL
	}
	if c.Stack != 0 && c.Stack+c.StackSize < c.Stack {
		return 0, unix.EINVAL
	}
	ids, err := setTIDs(t, &c)
	if err != nil {
		return 0, err
	}
	into, err := cgroupArg(t, &c)
	if err != nil {
		return 0, err
	}
	args := kernel.CloneArgs{
		Cgroup: into,
		Flags:  c.Flags, ExitSignal: int32(c.ExitSignal), Stack: c.Stack + c.StackSize, TLS: c.TLS,
		ParentTID: usermem.Addr(c.ParentTID), ChildTID: usermem.Addr(c.ChildTID), SetTID: ids,
	}
	withPIDFD(t, &args, usermem.Addr(c.PIDFD))
	return doClone(t, args)
}

// cgroupArg returns the cgroup of CLONE_INTO_CGROUP, nil without the flag: EBADF, EINVAL.
func cgroupArg(t *kernel.Task, c *cloneArgs) (*kernel.Cgroup, error) {
	if c.Flags&unix.CLONE_INTO_CGROUP == 0 {
		return nil, nil
	}
	if c.Cgroup > 1<<31-1 {
		return nil, unix.EINVAL
	}
	f, err := t.Files().Get(int32(c.Cgroup))
	if err != nil {
		return nil, err
	}
	defer f.DecRef(t)
	g := cgroup.Of(f)
	if g == nil {
		return nil, unix.EBADF
	}
	return g, nil
}

// setTIDs reads the array of wanted numbers; it takes CAP_CHECKPOINT_RESTORE.
func setTIDs(t *kernel.Task, c *cloneArgs) ([]int32, error) {
	const maxLevel = 32
	switch {
	case c.SetTIDSize > maxLevel, (c.SetTID == 0) != (c.SetTIDSize == 0):
		return nil, unix.EINVAL
	case c.SetTIDSize == 0:
		return nil, nil
	}
	cr := t.Cred()
	if !cr.HasCap(unix.CAP_CHECKPOINT_RESTORE) && !cr.HasCap(unix.CAP_SYS_ADMIN) {
		return nil, unix.EPERM
	}
	return usermem.InSlice[int32](t.Mem(), usermem.Addr(c.SetTID), int(c.SetTIDSize))
}

// inExtensible copies in a struct that grows with time (copy_struct_from_user):
// size is the caller's idea of it, at least first. What it has beyond ours must
// be zero, else E2BIG.
func inExtensible[T usermem.Plain](t *kernel.Task, addr usermem.Addr, size uint64, first uint64) (T, error) {
	var v T
	own := usermem.BytesOf(&v)
	if size > usermem.PageSize {
		return v, unix.E2BIG
	}
	if size < first {
		return v, unix.EINVAL
	}
	raw := make([]byte, size)
	if _, err := t.Mem().CopyIn(addr, raw); err != nil {
		return v, err
	}
	for _, b := range raw[min(len(raw), len(own)):] {
		if b != 0 {
			return v, unix.E2BIG
		}
	}
	copy(own, raw)
	return v, nil
}

// unshare is unshare(2).
func unshare(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.Unshare(uint64(a[0].Uint()))
}

// setTIDAddress is set_tid_address(2).
func setTIDAddress(t *kernel.Task, a arch.Args) (uintptr, error) {
	t.SetClearTID(usermem.Addr(a[0]))
	return uintptr(t.TID()), nil
}
