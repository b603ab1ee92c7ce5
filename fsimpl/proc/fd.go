package proc

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// fds is /proc/PID/fd, or fdinfo.
type fds struct {
	p    pid
	info bool
}

// Alive implements pseudo.Alive.
func (l fds) Alive() bool { return l.p.Alive() }

// Lookup implements pseudo.Lister.
func (l fds) Lookup(t current.Task, name string) (*vfs.Inode, error) {
	if err := l.p.may(t); err != nil {
		return nil, err
	}
	fd, ok := number(name)
	if !ok {
		return nil, unix.ENOENT
	}
	f := l.get(fd)
	if f == nil {
		return nil, unix.ENOENT
	}
	flags := f.Flags()
	f.DecRef(t)
	if l.info {
		return l.p.fs.ps.Text(0400, fdInfo{l, fd}, l.p), nil
	}
	mode := uint32(0)
	if flags&unix.O_PATH != 0 || flags&unix.O_ACCMODE != unix.O_WRONLY {
		mode |= 0500
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY {
		mode |= 0300
	}
	return l.p.fs.ps.LinkMode(mode, fdLink{l, fd}, l.p), nil
}

// get returns the file at fd with a reference, or nil.
func (l fds) get(fd int32) *vfs.File {
	ft := l.p.t.PeekFiles()
	if ft == nil {
		return nil
	}
	defer ft.DecRef(nil)
	f, err := ft.GetPath(fd)
	if err != nil {
		return nil
	}
	return f
}

// List implements pseudo.Lister.
func (l fds) List(t current.Task, cookie int64) ([]vfs.Dirent, error) {
	if err := l.p.may(t); err != nil {
		return nil, err
	}
	ft := l.p.t.PeekFiles()
	if ft == nil {
		return nil, nil
	}
	defer ft.DecRef(nil)
	typ := uint8(unix.DT_LNK)
	if l.info {
		typ = unix.DT_REG
	}
	return dirents(ft.FDs(), cookie, typ), nil
}

// fdLink leads to an open file.
type fdLink struct {
	l  fds
	fd int32
}

var _ vfs.MagicLink = fdLink{}

// Follow implements vfs.MagicLink.
func (k fdLink) Follow(t current.Task) (vfs.Path, error) {
	f := k.l.get(k.fd)
	if f == nil {
		return vfs.Path{}, unix.ENOENT
	}
	defer f.DecRef(t)
	return f.Path.IncRef(), nil
}

// Readlink implements vfs.Readlinker.
func (k fdLink) Readlink(t current.Task) (string, error) {
	p, err := k.Follow(t)
	if err != nil {
		return "", err
	}
	defer p.DecRef()
	return nameFor(t, p), nil
}

// fdInfo is /proc/PID/fdinfo/N.
type fdInfo struct {
	l  fds
	fd int32
}

// FDInfo is implemented by open files that have more to say there.
type FDInfo interface {
	FDInfo(t current.Task, w *bytes.Buffer)
}

// Content implements pseudo.Content.
func (i fdInfo) Content(t current.Task, w *bytes.Buffer) error {
	f := i.l.get(i.fd)
	if f == nil {
		return unix.ENOENT
	}
	defer f.DecRef(t)
	flags := f.Flags()
	if ft := i.l.p.t.PeekFiles(); ft != nil {
		if on, err := ft.Cloexec(i.fd); err == nil && on {
			flags |= unix.O_CLOEXEC
		}
		ft.DecRef(t)
	}
	mount := int32(0)
	var ino uint64
	if f.Path.Mount != nil {
		mount = f.Path.Mount.ID
	}
	if n := f.Path.Inode(); n != nil {
		ino = n.Ino
	}
	fmt.Fprintf(w, "pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n", f.Offset(), flags, mount, ino)
	if x, ok := f.Impl().(FDInfo); ok {
		x.FDInfo(t, w)
	}
	return nil
}
