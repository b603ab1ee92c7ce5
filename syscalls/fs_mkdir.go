package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// mkdir is mkdir(2).
func mkdir(t *kernel.Task, a arch.Args) (uintptr, error) {
	return mkdirAt(t, unix.AT_FDCWD, a[0], a[1].Mode())
}

// mkdirat is mkdirat(2).
func mkdirat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return mkdirAt(t, a[0].Int(), a[1], a[2].Mode())
}

func mkdirAt(t *kernel.Task, dirfd int32, path arch.Arg, mode uint32) (uintptr, error) {
	p, err := placeArg(t, dirfd, path, false, false)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	return 0, vfs.Mkdir(t, p.At, mode&01777)
}

// mknod is mknod(2).
func mknod(t *kernel.Task, a arch.Args) (uintptr, error) {
	return mknodAt(t, unix.AT_FDCWD, a[0], a[1].Mode(), a[2].Uint())
}

// mknodat is mknodat(2).
func mknodat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return mknodAt(t, a[0].Int(), a[1], a[2].Mode(), a[3].Uint())
}

func mknodAt(t *kernel.Task, dirfd int32, path arch.Arg, mode, dev uint32) (uintptr, error) {
	switch mode & unix.S_IFMT {
	case 0:
		mode |= unix.S_IFREG
	case unix.S_IFREG, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
	case unix.S_IFDIR:
		return 0, unix.EPERM
	default:
		return 0, unix.EINVAL
	}
	if kind := mode & unix.S_IFMT; kind == unix.S_IFCHR || kind == unix.S_IFBLK {
		if err := t.MayUseDevice(kind == unix.S_IFBLK, unix.Major(uint64(dev)), unix.Minor(uint64(dev)), kernel.DeviceMake); err != nil {
			return 0, err
		}
	}
	p, err := placeArg(t, dirfd, path, false, false)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	return 0, vfs.Mknod(t, p.At, mode, vfs.Dev(dev))
}
