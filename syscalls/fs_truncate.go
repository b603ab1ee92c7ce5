package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// truncate is truncate(2).
func truncate(t *kernel.Task, a arch.Args) (uintptr, error) {
	size := a[1].Int64()
	if size < 0 {
		return 0, unix.EINVAL
	}
	p, err := walkArg(t, unix.AT_FDCWD, a[0], true, false)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return 0, vfs.Truncate(t, p, size)
}

// ftruncate is ftruncate(2).
func ftruncate(t *kernel.Task, a arch.Args) (uintptr, error) {
	size := a[1].Int64()
	if size < 0 {
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.Truncate(t, size)
}

// fallocate is fallocate(2).
func fallocate(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.Allocate(t, a[1].Uint(), a[2].Int64(), a[3].Int64())
}
