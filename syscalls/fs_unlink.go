package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// unlink is unlink(2).
func unlink(t *kernel.Task, a arch.Args) (uintptr, error) {
	return unlinkAt(t, unix.AT_FDCWD, a[0], false)
}

// rmdir is rmdir(2).
func rmdir(t *kernel.Task, a arch.Args) (uintptr, error) {
	return unlinkAt(t, unix.AT_FDCWD, a[0], true)
}

// unlinkat is unlinkat(2).
func unlinkat(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[2].Uint()
	if flags&^uint32(unix.AT_REMOVEDIR) != 0 {
		return 0, unix.EINVAL
	}
	return unlinkAt(t, a[0].Int(), a[1], flags != 0)
}

func unlinkAt(t *kernel.Task, dirfd int32, path arch.Arg, dir bool) (uintptr, error) {
	p, err := placeArg(t, dirfd, path, false, false)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	return 0, vfs.Unlink(t, p.At, dir)
}
