package pseudo

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// Target is where a symbolic link leads.
type Target interface {
	Readlink(t current.Task) (string, error)
}

// To is a target that never changes.
type To string

// Readlink implements Target.
func (l To) Readlink(current.Task) (string, error) { return string(l), nil }

// Link returns a symbolic link. If l is a vfs.MagicLink, following it leads to
// the object. owner may be nil.
func (fs *FS) Link(l Target, owner Owner) *vfs.Inode {
	return fs.LinkMode(0777, l, owner)
}

// LinkMode is Link with other permission bits, as /proc/PID/fd has them.
func (fs *FS) LinkMode(mode uint32, l Target, owner Owner) *vfs.Inode {
	if m, ok := l.(vfs.MagicLink); ok {
		j := &jump{link: link{attrs: fs.attrs(unix.S_IFLNK|mode, owner), to: l}, magic: m}
		return j.inode(j)
	}
	k := &link{attrs: fs.attrs(unix.S_IFLNK|mode, owner), to: l}
	return k.inode(k)
}

type link struct {
	attrs
	to Target // immutable
}

// Stat implements vfs.InodeImpl.
func (l *link) Stat(t current.Task) (vfs.Stat, error) {
	var size int64
	if s, ok := l.to.(To); ok && l.fs.magic != unix.PROC_SUPER_MAGIC {
		size = int64(len(s))
	}
	return l.stat(1, size), nil
}

// Open implements vfs.InodeImpl.
func (*link) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return nil, unix.ELOOP }

// Readlink implements vfs.Readlinker.
func (l *link) Readlink(t current.Task) (string, error) { return l.to.Readlink(t) }

type jump struct {
	link
	magic vfs.MagicLink // immutable
}

// Follow implements vfs.MagicLink.
func (j *jump) Follow(t current.Task) (vfs.Path, error) { return j.magic.Follow(t) }
