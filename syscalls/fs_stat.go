package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// stat is stat(2).
func stat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return statAt(t, unix.AT_FDCWD, a[0], a[1], 0)
}

// lstat is lstat(2).
func lstat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return statAt(t, unix.AT_FDCWD, a[0], a[1], unix.AT_SYMLINK_NOFOLLOW)
}

// fstat is fstat(2). It works on O_PATH descriptors too.
func fstat(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := t.Files().GetPath(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	s, err := f.Stat(t)
	if err != nil {
		return 0, err
	}
	return 0, outStat(t, a[1], &s)
}

// newfstatat is fstatat(2).
func newfstatat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return statAt(t, a[0].Int(), a[1], a[2], a[3].Uint())
}

func statAt(t *kernel.Task, dirfd int32, path, buf arch.Arg, flags uint32) (uintptr, error) {
	const known = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_EMPTY_PATH
	if flags&^uint32(known) != 0 {
		return 0, unix.EINVAL
	}
	s, _, err := statPlace(t, dirfd, path, flags)
	if err != nil {
		return 0, err
	}
	return 0, outStat(t, buf, &s)
}

// statPlace returns the attributes of what a descriptor and a name stand for,
// and the id of its mount, 0 if it has none.
func statPlace(t *kernel.Task, dirfd int32, path arch.Arg, flags uint32) (vfs.Stat, int32, error) {
	empty := flags&unix.AT_EMPTY_PATH != 0
	var p place
	var err error
	if empty && path == 0 {
		p, err = placeOf(t, dirfd, "", true, true) // a null pointer is an empty name, since 6.11
	} else {
		p, err = placeArg(t, dirfd, path, flags&unix.AT_SYMLINK_NOFOLLOW == 0, empty)
	}
	if err != nil {
		return vfs.Stat{}, 0, err
	}
	defer p.done(t)
	if p.onFile() {
		s, err := p.file.Stat(t)
		return s, mountID(p.file.Path.Mount), err
	}
	s, m, err := vfs.StatAt(t, p.At)
	return s, mountID(m), err
}

func mountID(m *vfs.Mount) int32 {
	if m == nil {
		return 0
	}
	return m.ID
}

func outStat(t *kernel.Task, addr arch.Arg, s *vfs.Stat) error {
	st := statOf(s)
	return usermem.Out(t.Mem(), usermem.Addr(addr), &st)
}

func timespec(v vfs.Time) unix.Timespec { return unix.Timespec{Sec: v.Sec, Nsec: int64(v.Nsec)} }
