package overlay

import (
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// inode is a file that is in one of the layers or, copied up or a merged
// directory, in both.
type inode struct {
	fs    *FS        // immutable
	node  *vfs.Inode // immutable: it holds this
	key   *vfs.Inode // immutable: what it began with
	lower *vfs.Inode // immutable; nil if only the upper layer has it
	typ   uint32     // immutable: S_IFMT bits
	ino   uint64     // immutable

	// Where it was found, with a reference: where it is copied up to. What the
	// lower layer has is renamed only after it was copied up. nil for the root.
	parent *inode
	name   string

	// upper is nil until the file is copied up. It is set once, under copying.
	upper atomic.Pointer[vfs.Inode]
	// copying serialises copying up. It is taken with directories' locks held,
	// never over the lock of a layer's inode.
	copying lock.Mutex[lock.Dentry]
}

// top returns the inode that counts: the upper one if there is one.
func (i *inode) top() *vfs.Inode {
	if u := i.upper.Load(); u != nil {
		return u
	}
	return i.lower
}

// merged reports whether it is a directory of both layers.
func (i *inode) merged() bool {
	return i.typ == unix.S_IFDIR && i.lower != nil
}

// Stat implements vfs.InodeImpl.
func (i *inode) Stat(t current.Task) (vfs.Stat, error) {
	s, err := i.top().Impl.Stat(t)
	if err != nil {
		return s, err
	}
	s.Ino, s.Dev = i.ino, i.fs.opts.Dev
	if i.merged() {
		s.Nlink = 1 // how many directories are in it nobody has counted
	}
	return s, nil
}

// SetStat implements vfs.InodeImpl.
func (i *inode) SetStat(t current.Task, s vfs.SetStat) error {
	upto := int64(-1)
	if s.Mask&vfs.SetSize != 0 {
		upto = s.Size
	}
	u, err := i.copyUp(t, upto)
	if err != nil {
		return err
	}
	return u.Impl.SetStat(t, s)
}

// Open implements vfs.InodeImpl: what is returned is the layer's own.
func (i *inode) Open(t current.Task, f *vfs.File) (vfs.FileImpl, error) {
	if f.Flags()&unix.O_ACCMODE != unix.O_RDONLY {
		u, err := i.copyUp(t, -1)
		if err != nil {
			return nil, err
		}
		return u.Impl.Open(t, f)
	}
	return i.top().Impl.Open(t, f)
}

// Release implements vfs.InodeImpl.
func (i *inode) Release() {
	i.fs.forget(i)
	for _, l := range []*vfs.Inode{i.upper.Load(), i.lower} {
		if l != nil {
			l.DecRef()
		}
	}
	if i.parent != nil {
		i.parent.node.DecRef()
	}
}

// symlink is a symbolic link.
type symlink struct{ *inode }

// Readlink implements vfs.Readlinker.
func (s *symlink) Readlink(t current.Task) (string, error) {
	return s.top().Impl.(vfs.Readlinker).Readlink(t)
}

var _ vfs.Xattrs = (*inode)(nil)

// private is the namespace of attributes that the overlay keeps for itself.
const (
	private   = "trusted.overlay."
	opaqueKey = private + "opaque"
)

func xattrs(i *vfs.Inode) (vfs.Xattrs, error) {
	x, ok := i.Impl.(vfs.Xattrs)
	if !ok {
		return nil, unix.EOPNOTSUPP
	}
	return x, nil
}

// GetXattr implements vfs.Xattrs.
func (i *inode) GetXattr(t current.Task, name string) ([]byte, error) {
	x, err := xattrs(i.top())
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, private) {
		return nil, unix.ENODATA
	}
	return x.GetXattr(t, name)
}

// SetXattr implements vfs.Xattrs.
func (i *inode) SetXattr(t current.Task, name string, value []byte, flags int32) error {
	if strings.HasPrefix(name, private) {
		return unix.EPERM
	}
	u, err := i.copyUp(t, -1)
	if err != nil {
		return err
	}
	x, err := xattrs(u)
	if err != nil {
		return err
	}
	return x.SetXattr(t, name, value, flags)
}

// ListXattr implements vfs.Xattrs.
func (i *inode) ListXattr(t current.Task) ([]string, error) {
	x, err := xattrs(i.top())
	if err != nil {
		return nil, nil
	}
	all, err := x.ListXattr(t)
	var ns []string
	for _, n := range all {
		if !strings.HasPrefix(n, private) {
			ns = append(ns, n)
		}
	}
	return ns, err
}

// RemoveXattr implements vfs.Xattrs.
func (i *inode) RemoveXattr(t current.Task, name string) error {
	if _, err := i.GetXattr(t, name); err != nil {
		return err
	}
	u, err := i.copyUp(t, -1)
	if err != nil {
		return err
	}
	x, err := xattrs(u)
	if err != nil {
		return err
	}
	return x.RemoveXattr(t, name)
}
