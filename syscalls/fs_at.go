package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// pathArg copies a path name in: ENAMETOOLONG if it is longer than PATH_MAX.
func pathArg(t *kernel.Task, a arch.Arg) (string, error) {
	return usermem.CString(t.Mem(), usermem.Addr(a), unix.PathMax)
}

// place is a name as the *at calls take it: descriptor and path. done must be
// called when the call is over.
type place struct {
	vfs.At
	file *vfs.File // what the descriptor stands for; nil if it was not looked at
}

// onFile reports whether the name is empty and means the open file itself.
func (p *place) onFile() bool { return p.Name == "" && p.file != nil }

// done gives up what the place refers to.
func (p *place) done(t *kernel.Task) {
	if p.file != nil {
		p.file.DecRef(t)
	}
}

// placeArg decodes a descriptor and a path name. The descriptor is looked at only
// when the name is relative; an empty name is ENOENT unless empty allows it.
func placeArg(t *kernel.Task, dirfd int32, path arch.Arg, follow, empty bool) (place, error) {
	name, err := pathArg(t, path)
	if err != nil {
		return place{}, err
	}
	return placeOf(t, dirfd, name, follow, empty)
}

// placeOf is placeArg for a name that was copied in already.
func placeOf(t *kernel.Task, dirfd int32, name string, follow, empty bool) (place, error) {
	p := place{At: vfs.At{FS: t.FS(), Name: name, Follow: follow, Empty: empty}}
	if name == "" && !empty {
		return place{}, unix.ENOENT
	}
	if dirfd == unix.AT_FDCWD || name != "" && name[0] == '/' {
		return p, nil
	}
	f, err := t.Files().GetPath(dirfd)
	if err != nil {
		return place{}, err
	}
	if name != "" && f.Path.Dentry == nil {
		f.DecRef(t)
		return place{}, unix.ENOTDIR
	}
	p.file, p.Dir = f, f.Path
	return p, nil
}

// walkArg finds the path that a descriptor and a name stand for, with
// references.
func walkArg(t *kernel.Task, dirfd int32, path arch.Arg, follow, empty bool) (vfs.Path, error) {
	p, err := placeArg(t, dirfd, path, follow, empty)
	if err != nil {
		return vfs.Path{}, err
	}
	defer p.done(t)
	if p.onFile() && p.Dir.Dentry == nil {
		return vfs.Path{}, unix.ENOENT
	}
	return vfs.Walk(t, p.At)
}

// fileArg returns the open file of a descriptor, with a reference.
func fileArg(t *kernel.Task, a arch.Arg) (*vfs.File, error) { return t.Files().Get(a.Int()) }

// install gives f, whose reference it takes over, the lowest free descriptor.
func install(t *kernel.Task, f *vfs.File, cloexec bool) (uintptr, error) {
	fd, err := t.Files().Install(f, 0, cloexec, fdLimit(t))
	if err != nil {
		f.DecRef(t)
		return 0, err
	}
	return uintptr(fd), nil
}

// fdLimit is RLIMIT_NOFILE's soft limit.
func fdLimit(t *kernel.Task) uint64 { return t.Limits().Get(unix.RLIMIT_NOFILE).Cur }
