package overlay

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// dir is a directory. vfs lets no two changes of it run at once.
type dir struct{ *inode }

var (
	_ vfs.DirImpl      = (*dir)(nil)
	_ vfs.MultiLookup  = (*dir)(nil)
	_ vfs.TmpfileMaker = (*dir)(nil)
)

// isWhiteout reports whether an upper inode hides a lower name.
func isWhiteout(t current.Task, i *vfs.Inode) bool {
	if i.Type != unix.S_IFCHR {
		return false
	}
	s, err := i.Impl.Stat(t)
	return err == nil && s.Rdev == 0
}

// isOpaque reports whether an upper directory hides the lower one.
func isOpaque(t current.Task, i *vfs.Inode) bool {
	x, err := xattrs(i)
	if err != nil {
		return false
	}
	v, err := x.GetXattr(t, opaqueKey)
	return err == nil && string(v) == "y"
}

func setOpaque(t current.Task, i *vfs.Inode) error {
	x, err := xattrs(i)
	if err != nil {
		return err
	}
	return x.SetXattr(t, opaqueKey, []byte("y"), 0)
}

func dirOf(i *vfs.Inode) vfs.DirImpl { return i.Impl.(vfs.DirImpl) }

// inUpper looks a name up in the upper layer. hidden says that the lower layer's
// is not to be looked at: something is there, or a whiteout.
func (d *inode) inUpper(t current.Task, name string) (u *vfs.Inode, hidden bool, err error) {
	up := d.upper.Load()
	if up == nil {
		return nil, false, nil
	}
	u, err = dirOf(up).Lookup(t, name)
	if err == unix.ENOENT {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if isWhiteout(t, u) {
		u.DecRef()
		return nil, true, nil
	}
	return u, u.Type != unix.S_IFDIR || isOpaque(t, u), nil
}

// inLower looks a name up in the lower layer; nil if it is not there.
func (d *inode) inLower(t current.Task, name string) (*vfs.Inode, error) {
	if d.lower == nil {
		return nil, nil
	}
	l, err := dirOf(d.lower).Lookup(t, name)
	if err == unix.ENOENT {
		return nil, nil
	}
	return l, err
}

// join makes the overlay's inode of what was found of a name.
func (d *inode) join(u, l *vfs.Inode, name string) (*vfs.Inode, error) {
	if u != nil && l != nil && (u.Type != unix.S_IFDIR || l.Type != unix.S_IFDIR) {
		l.DecRef()
		l = nil
	}
	if u == nil && l == nil {
		return nil, unix.ENOENT
	}
	return d.fs.inode(u, l, d, name), nil
}

// Lookup implements vfs.DirImpl.
func (d *dir) Lookup(t current.Task, name string) (*vfs.Inode, error) {
	u, hidden, err := d.inUpper(t, name)
	if err != nil {
		return nil, err
	}
	var l *vfs.Inode
	if !hidden {
		if l, err = d.inLower(t, name); err != nil {
			if u != nil {
				u.DecRef()
			}
			return nil, err
		}
	}
	return d.join(u, l, name)
}

// LookupMany implements vfs.MultiLookup: the lower layer is asked once for what
// the upper one does not hide.
func (d *dir) LookupMany(t current.Task, names []string) ([]*vfs.Inode, error) {
	many, ok := vfs.MultiLookup(nil), false
	if d.lower != nil {
		many, ok = d.lower.Impl.(vfs.MultiLookup)
	}
	if !ok {
		i, err := d.Lookup(t, names[0])
		if err != nil {
			return nil, err
		}
		return []*vfs.Inode{i}, nil
	}
	if u, hidden, err := d.inUpper(t, names[0]); err != nil || hidden || u != nil {
		if u != nil {
			u.DecRef()
		}
		i, err := d.Lookup(t, names[0])
		if err != nil {
			return nil, err
		}
		return []*vfs.Inode{i}, nil
	}
	// The first name is only below, and so is all that is beneath it.
	ls, err := many.LookupMany(t, names)
	var is []*vfs.Inode
	at := d.inode
	for n, l := range ls {
		i := d.fs.inode(nil, l, at, names[n])
		is = append(is, i)
		if next, ok := i.Impl.(*dir); ok {
			if next.upper.Load() != nil && n+1 < len(ls) {
				// It was copied up meanwhile: what is beneath is looked up anew.
				for _, rest := range ls[n+1:] {
					rest.DecRef()
				}
				return is, nil
			}
			at = next.inode
		}
	}
	return is, err
}

// prepare makes the directory ready for a new name: copied up, and without a
// whiteout there. hid says that there was one.
func (d *dir) prepare(t current.Task, name string) (up vfs.DirImpl, hid bool, err error) {
	u, err := d.copyUp(t, -1)
	if err != nil {
		return nil, false, err
	}
	up = dirOf(u)
	w, err := up.Lookup(t, name)
	if err == unix.ENOENT {
		return up, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer w.DecRef()
	if !isWhiteout(t, w) {
		return nil, false, unix.EEXIST
	}
	return up, true, up.Unlink(t, name, w)
}

// restore puts a whiteout back after a failure.
func restore(t current.Task, up vfs.DirImpl, name string, hid bool) {
	if hid {
		_ = whiteout(t, up, name)
	}
}

// whiteout hides a name of the lower layer.
func whiteout(t current.Task, up vfs.DirImpl, name string) error {
	w, err := up.Create(t, name, vfs.NewInode{Mode: unix.S_IFCHR})
	if err != nil {
		return err
	}
	w.DecRef()
	return nil
}

// add makes a name with mk.
func (d *dir) add(t current.Task, name string, mk func(up vfs.DirImpl) (*vfs.Inode, error)) (*vfs.Inode, error) {
	up, hid, err := d.prepare(t, name)
	if err != nil {
		return nil, err
	}
	u, err := mk(up)
	if err != nil {
		restore(t, up, name, hid)
		return nil, err
	}
	if hid && u.Type == unix.S_IFDIR {
		if err := setOpaque(t, u); err != nil {
			_ = up.Rmdir(t, name, u)
			u.DecRef()
			restore(t, up, name, hid)
			return nil, err
		}
	}
	return d.fs.inode(u, nil, d.inode, name), nil
}

// Create implements vfs.DirImpl.
func (d *dir) Create(t current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	if n.Mode&unix.S_IFMT == unix.S_IFCHR && n.Dev == 0 {
		return nil, unix.EPERM // it would be a whiteout
	}
	return d.add(t, name, func(up vfs.DirImpl) (*vfs.Inode, error) { return up.Create(t, name, n) })
}

// Mkdir implements vfs.DirImpl.
func (d *dir) Mkdir(t current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	return d.add(t, name, func(up vfs.DirImpl) (*vfs.Inode, error) { return up.Mkdir(t, name, n) })
}

// Symlink implements vfs.DirImpl.
func (d *dir) Symlink(t current.Task, name, target string, n vfs.NewInode) (*vfs.Inode, error) {
	return d.add(t, name, func(up vfs.DirImpl) (*vfs.Inode, error) { return up.Symlink(t, name, target, n) })
}

// Tmpfile implements vfs.TmpfileMaker.
func (d *dir) Tmpfile(t current.Task, n vfs.NewInode) (*vfs.Inode, error) {
	up, err := d.copyUp(t, -1)
	if err != nil {
		return nil, err
	}
	m, ok := up.Impl.(vfs.TmpfileMaker)
	if !ok {
		return nil, unix.EOPNOTSUPP
	}
	u, err := m.Tmpfile(t, n)
	if err != nil {
		return nil, err
	}
	return d.fs.inode(u, nil, nil, ""), nil
}

// of returns the overlay's part of an inode of this file system.
func of(i *vfs.Inode) *inode {
	switch x := i.Impl.(type) {
	case *dir:
		return x.inode
	case *symlink:
		return x.inode
	}
	return i.Impl.(*inode)
}

// Link implements vfs.DirImpl.
func (d *dir) Link(t current.Task, name string, target *vfs.Inode) error {
	u, err := of(target).copyUp(t, -1)
	if err != nil {
		return err
	}
	up, hid, err := d.prepare(t, name)
	if err != nil {
		return err
	}
	if err := up.Link(t, name, u); err != nil {
		restore(t, up, name, hid)
		return err
	}
	return nil
}

// covers reports whether the lower layer has the name, so that it must be
// hidden.
func (d *dir) covers(t current.Task, name string) (bool, error) {
	l, err := d.inLower(t, name)
	if l != nil {
		l.DecRef()
	}
	return l != nil, err
}

// Unlink implements vfs.DirImpl.
func (d *dir) Unlink(t current.Task, name string, child *vfs.Inode) error {
	return d.remove(t, name, func(up vfs.DirImpl) error {
		if u := of(child).upper.Load(); u != nil {
			return up.Unlink(t, name, u)
		}
		return nil
	})
}

// Rmdir implements vfs.DirImpl.
func (d *dir) Rmdir(t current.Task, name string, child *vfs.Inode) error {
	c := child.Impl.(*dir)
	if err := c.mustBeEmpty(t); err != nil {
		return err
	}
	return d.remove(t, name, func(up vfs.DirImpl) error {
		u := c.upper.Load()
		if u == nil {
			return nil
		}
		if err := clearWhiteouts(t, u); err != nil {
			return err
		}
		return up.Rmdir(t, name, u)
	})
}

// remove takes a name away with rm, and hides the lower one.
func (d *dir) remove(t current.Task, name string, rm func(up vfs.DirImpl) error) error {
	u, err := d.copyUp(t, -1)
	if err != nil {
		return err
	}
	hide, err := d.covers(t, name)
	if err != nil {
		return err
	}
	up := dirOf(u)
	if err := rm(up); err != nil {
		return err
	}
	if hide {
		return whiteout(t, up, name)
	}
	return nil
}

// Rename implements vfs.DirImpl.
func (d *dir) Rename(t current.Task, name string, child *vfs.Inode, newDir *vfs.Inode, newName string, target *vfs.Inode, flags uint32) error {
	to, c := newDir.Impl.(*dir), of(child)
	exchange := flags&unix.RENAME_EXCHANGE != 0
	if flags&unix.RENAME_WHITEOUT != 0 {
		return unix.EINVAL
	}
	if c.merged() || exchange && of(target).merged() {
		t.Note("the directory is in the read-only layer too: renaming it takes a copy")
		return unix.EXDEV
	}
	cu, err := c.copyUp(t, -1)
	if err != nil {
		return err
	}
	du, err := d.copyUp(t, -1)
	if err != nil {
		return err
	}
	if exchange {
		return d.exchange(t, name, to, newName, cu, target)
	}
	var tu *vfs.Inode
	if target == nil {
		_, _, err = to.prepare(t, newName)
	} else {
		tu, err = to.displace(t, target)
	}
	if err != nil {
		return err
	}
	nu := to.upper.Load()
	hideOld, err := d.covers(t, name)
	if err != nil {
		return err
	}
	hidesNew, err := to.covers(t, newName)
	if err != nil {
		return err
	}
	if hidesNew && cu.Type == unix.S_IFDIR {
		if err := setOpaque(t, cu); err != nil {
			return err
		}
	}
	if err := dirOf(du).Rename(t, name, cu, nu, newName, tu, 0); err != nil {
		return err
	}
	if hideOld {
		return whiteout(t, dirOf(du), name)
	}
	return nil
}

// displace makes the directory and the target of a rename ready: it returns the
// target's upper inode, nil if there is none to replace.
func (d *dir) displace(t current.Task, target *vfs.Inode) (*vfs.Inode, error) {
	if _, err := d.copyUp(t, -1); err != nil {
		return nil, err
	}
	x := of(target)
	u := x.upper.Load()
	if td, ok := target.Impl.(*dir); ok {
		if err := td.mustBeEmpty(t); err != nil {
			return nil, err
		}
		if u != nil {
			if err := clearWhiteouts(t, u); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

// exchange is RENAME_EXCHANGE: both are in the upper layer afterwards.
func (d *dir) exchange(t current.Task, name string, to *dir, newName string, cu, target *vfs.Inode) error {
	tu, err := of(target).copyUp(t, -1)
	if err != nil {
		return err
	}
	nu, err := to.copyUp(t, -1)
	if err != nil {
		return err
	}
	for _, u := range []*vfs.Inode{cu, tu} {
		if u.Type == unix.S_IFDIR {
			if err := setOpaque(t, u); err != nil {
				return err
			}
		}
	}
	return dirOf(d.upper.Load()).Rename(t, name, cu, nu, newName, tu, unix.RENAME_EXCHANGE)
}
