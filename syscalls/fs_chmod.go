package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// chmod is chmod(2).
func chmod(t *kernel.Task, a arch.Args) (uintptr, error) {
	return chmodAt(t, unix.AT_FDCWD, a[0], a[1].Mode(), 0)
}

// fchmodat is fchmodat(2), the system call: it has no flags.
func fchmodat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return chmodAt(t, a[0].Int(), a[1], a[2].Mode(), 0)
}

// fchmodat2 is fchmodat2(2).
func fchmodat2(t *kernel.Task, a arch.Args) (uintptr, error) {
	return chmodAt(t, a[0].Int(), a[1], a[2].Mode(), a[3].Uint())
}

// fchmod is fchmod(2).
func fchmod(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.SetStat(t, vfs.SetStat{Mask: vfs.SetMode, Mode: a[1].Mode() & 07777})
}

func chmodAt(t *kernel.Task, dirfd int32, path arch.Arg, mode, flags uint32) (uintptr, error) {
	if flags&^uint32(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, unix.EINVAL
	}
	s := vfs.SetStat{Mask: vfs.SetMode, Mode: mode & 07777}
	return setStatAt(t, dirfd, path, s, flags)
}

// setStatAt changes attributes of what a descriptor and a name stand for. flags
// are AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
func setStatAt(t *kernel.Task, dirfd int32, path arch.Arg, s vfs.SetStat, flags uint32) (uintptr, error) {
	p, err := placeArg(t, dirfd, path, flags&unix.AT_SYMLINK_NOFOLLOW == 0, flags&unix.AT_EMPTY_PATH != 0)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	if p.onFile() {
		return 0, p.file.SetStat(t, s)
	}
	w, err := vfs.Walk(t, p.At)
	if err != nil {
		return 0, err
	}
	defer w.DecRef()
	if s.Mask&vfs.SetMode != 0 && w.Inode().Type == unix.S_IFLNK {
		return 0, unix.EOPNOTSUPP
	}
	return 0, vfs.SetStatPath(t, w, s)
}
