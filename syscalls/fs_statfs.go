package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// statfs is statfs(2).
func statfs(t *kernel.Task, a arch.Args) (uintptr, error) {
	p, err := walkArg(t, unix.AT_FDCWD, a[0], true, false)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return outStatfs(t, p, a[1])
}

// fstatfs is fstatfs(2).
func fstatfs(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := t.Files().GetPath(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return outStatfs(t, f.Path, a[1])
}

func outStatfs(t *kernel.Task, p vfs.Path, addr arch.Arg) (uintptr, error) {
	if p.Dentry == nil {
		return 0, unix.ENOSYS
	}
	s, err := vfs.StatFS(t, p)
	if err != nil {
		return 0, err
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(addr), &s)
}
