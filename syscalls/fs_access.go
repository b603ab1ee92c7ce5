package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// access is access(2).
func access(t *kernel.Task, a arch.Args) (uintptr, error) {
	return accessAt(t, unix.AT_FDCWD, a[0], a[1].Uint(), 0)
}

// faccessat is faccessat(2), the system call: it has no flags.
func faccessat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return accessAt(t, a[0].Int(), a[1], a[2].Uint(), 0)
}

// faccessat2 is faccessat2(2).
func faccessat2(t *kernel.Task, a arch.Args) (uintptr, error) {
	return accessAt(t, a[0].Int(), a[1], a[2].Uint(), a[3].Uint())
}

func accessAt(t *kernel.Task, dirfd int32, path arch.Arg, mode, flags uint32) (uintptr, error) {
	const known = unix.AT_EACCESS | unix.AT_SYMLINK_NOFOLLOW | unix.AT_EMPTY_PATH
	if mode&^uint32(unix.R_OK|unix.W_OK|unix.X_OK) != 0 || flags&^uint32(known) != 0 {
		return 0, unix.EINVAL
	}
	p, err := walkArg(t, dirfd, path, flags&unix.AT_SYMLINK_NOFOLLOW == 0, flags&unix.AT_EMPTY_PATH != 0)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return 0, vfs.Access(t, p, mode, flags&unix.AT_EACCESS == 0) // R_OK is MayRead and so on
}
