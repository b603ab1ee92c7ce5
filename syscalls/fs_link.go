package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// link is link(2).
func link(t *kernel.Task, a arch.Args) (uintptr, error) {
	return linkAt(t, unix.AT_FDCWD, a[0], unix.AT_FDCWD, a[1], 0)
}

// linkat is linkat(2).
func linkat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return linkAt(t, a[0].Int(), a[1], a[2].Int(), a[3], a[4].Uint())
}

func linkAt(t *kernel.Task, oldDir int32, oldPath arch.Arg, newDir int32, newPath arch.Arg, flags uint32) (uintptr, error) {
	if flags&^uint32(unix.AT_SYMLINK_FOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, unix.EINVAL
	}
	empty := flags&unix.AT_EMPTY_PATH != 0
	old, err := walkArg(t, oldDir, oldPath, flags&unix.AT_SYMLINK_FOLLOW != 0, empty)
	if err != nil {
		return 0, err
	}
	defer old.DecRef()
	if empty {
		// Only who could have opened the file, or whoever may read anything.
		if name, err := pathArg(t, oldPath); err == nil && name == "" && !t.Cred().HasCap(unix.CAP_DAC_READ_SEARCH) {
			return 0, unix.ENOENT
		}
	}
	p, err := placeArg(t, newDir, newPath, false, false)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	return 0, vfs.LinkPath(t, old, p.At)
}

// symlink is symlink(2).
func symlink(t *kernel.Task, a arch.Args) (uintptr, error) {
	return symlinkAt(t, a[0], unix.AT_FDCWD, a[1])
}

// symlinkat is symlinkat(2).
func symlinkat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return symlinkAt(t, a[0], a[1].Int(), a[2])
}

func symlinkAt(t *kernel.Task, target arch.Arg, dirfd int32, path arch.Arg) (uintptr, error) {
	to, err := pathArg(t, target)
	if err != nil {
		return 0, err
	}
	if to == "" {
		return 0, unix.ENOENT
	}
	p, err := placeArg(t, dirfd, path, false, false)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	return 0, vfs.Symlink(t, to, p.At)
}

// readlink is readlink(2).
func readlink(t *kernel.Task, a arch.Args) (uintptr, error) {
	return readlinkAt(t, unix.AT_FDCWD, a[0], a[1], a[2].Int())
}

// readlinkat is readlinkat(2). An empty name means the descriptor, which is then
// an O_PATH one of a link.
func readlinkat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return readlinkAt(t, a[0].Int(), a[1], a[2], a[3].Int())
}

func readlinkAt(t *kernel.Task, dirfd int32, path, buf arch.Arg, size int32) (uintptr, error) {
	if size <= 0 {
		return 0, unix.EINVAL
	}
	p, err := placeArg(t, dirfd, path, false, true)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	if p.Name == "" && (p.file == nil || p.Dir.Dentry == nil) {
		return 0, unix.ENOENT
	}
	w, err := vfs.Walk(t, p.At)
	if err != nil {
		return 0, err
	}
	defer w.DecRef()
	if w.Inode().Type != unix.S_IFLNK {
		if p.Name == "" {
			return 0, unix.ENOENT
		}
		return 0, unix.EINVAL
	}
	to, err := vfs.Readlink(t, w)
	if err != nil {
		return 0, err
	}
	b := []byte(to[:min(len(to), int(size))])
	_, err = t.Mem().CopyOut(usermem.Addr(buf), b)
	return uintptr(len(b)), err
}
