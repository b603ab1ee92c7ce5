package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// inParent walks to the directory of a's last component and calls f with the
// directory locked for change.
func inParent(t current.Task, a *At, f func(w *walker, name string) error) error {
	w := walker{t: t, at: a}
	if err := w.start(); err != nil {
		return err
	}
	defer w.end()
	name, err := w.parent()
	if err != nil {
		return err
	}
	return f(&w, name)
}

// create makes a name with mk in the directory that a names, and returns its
// path with references.
func create(t current.Task, a *At, dirOK bool, mk func(m *Mount, dir *Inode, impl DirImpl, name string) (*Inode, error)) (Path, error) {
	var made Path
	err := inParent(t, a, func(w *walker, name string) error {
		if name == "" || name == "." || name == ".." {
			return unix.EEXIST
		}
		p := w.cur.Dentry
		p.mu.Lock()
		d, more, err := p.lookupLocked(t, name, nil)
		for _, i := range more {
			i.DecRef()
		}
		if err == unix.ENOENT && p.fs.Volatile && !p.Deleted() {
			d, err = p.hash(name, nil), nil
		}
		if err != nil {
			p.mu.Unlock()
			return err
		}
		switch {
		case d.Inode() != nil:
			err = unix.EEXIST
		case w.mustDir && !dirOK:
			err = unix.ENOENT
		case w.cur.Mount.ReadOnly():
			err = unix.EROFS
		case p.Deleted():
			err = unix.ENOENT
		default:
			err = permission(t, w.cur, MayWrite|MayExec)
		}
		if err == nil {
			dir := w.cur.Inode()
			var i *Inode
			if i, err = mk(w.cur.Mount, dir, dir.ops.dir, name); err == nil {
				d.inode.Store(i)
			}
		}
		p.mu.Unlock()
		if err != nil {
			d.DecRef()
			return err
		}
		mask := uint32(unix.IN_CREATE)
		if d.Inode().Type == unix.S_IFDIR {
			mask |= unix.IN_ISDIR
		}
		w.cur.Inode().notify(mask, 0, name)
		w.cur.Mount.incRef()
		made = Path{w.cur.Mount, d}
		return nil
	})
	return made, err
}

// Mkdir is mkdirat(2).
func Mkdir(t current.Task, a At, mode uint32) error {
	p, err := create(t, &a, true, func(_ *Mount, dir *Inode, impl DirImpl, name string) (*Inode, error) {
		n, err := newInode(t, &a, dir, unix.S_IFDIR|mode&01777, 0)
		if err != nil {
			return nil, err
		}
		return impl.Mkdir(t, name, n)
	})
	p.DecRef()
	return err
}

// Mknod is mknodat(2); it returns nothing but makes sockets for bind(2) too.
func Mknod(t current.Task, a At, mode uint32, dev Dev) error {
	p, err := MknodPath(t, a, mode, dev)
	p.DecRef()
	return err
}

// MknodPath is Mknod that returns the path made, for bind(2).
func MknodPath(t current.Task, a At, mode uint32, dev Dev) (Path, error) {
	switch mode & unix.S_IFMT {
	case 0:
		mode |= unix.S_IFREG
	case unix.S_IFCHR, unix.S_IFBLK:
		if !t.Cred().HasCap(unix.CAP_MKNOD) {
			return Path{}, unix.EPERM
		}
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK:
	case unix.S_IFDIR:
		return Path{}, unix.EPERM
	default:
		return Path{}, unix.EINVAL
	}
	return create(t, &a, false, func(_ *Mount, dir *Inode, impl DirImpl, name string) (*Inode, error) {
		n, err := newInode(t, &a, dir, mode, dev)
		if err != nil {
			return nil, err
		}
		return impl.Create(t, name, n)
	})
}

// Symlink is symlinkat(2).
func Symlink(t current.Task, target string, a At) error {
	if target == "" {
		return unix.ENOENT
	}
	p, err := create(t, &a, false, func(_ *Mount, dir *Inode, impl DirImpl, name string) (*Inode, error) {
		n, err := newInode(t, &a, dir, unix.S_IFLNK|0777, 0)
		n.Mode = unix.S_IFLNK | 0777
		if err != nil {
			return nil, err
		}
		return impl.Symlink(t, name, target, n)
	})
	p.DecRef()
	return err
}

// Link is linkat(2).
func Link(t current.Task, old, new At) error {
	src, err := Walk(t, old)
	if err != nil {
		return err
	}
	defer src.DecRef()
	return LinkPath(t, src, new)
}

// LinkPath makes another name for src.
func LinkPath(t current.Task, src Path, new At) error {
	i := src.Inode()
	p, err := create(t, &new, false, func(m *Mount, dir *Inode, impl DirImpl, name string) (*Inode, error) {
		if m != src.Mount || dir.FS != i.FS {
			return nil, unix.EXDEV
		}
		if i.Type == unix.S_IFDIR {
			return nil, unix.EPERM
		}
		if s, err := i.Impl.Stat(t); err != nil {
			return nil, err
		} else if s.Nlink == 0 && !src.Dentry.linkable.Load() {
			return nil, unix.ENOENT
		} else if !mayHardLink(t, i, &s) {
			return nil, unix.EPERM
		}
		if err := impl.Link(t, name, i); err != nil {
			return nil, err
		}
		src.Dentry.linkable.Store(false)
		i.IncRef()
		i.notify(unix.IN_ATTRIB, 0, "") // before the directory tells of the name
		return i, nil
	})
	p.DecRef()
	return err
}

// mayHardLink is fs.protected_hardlinks: to a file of another's only what the
// caller may read and write anyway, and what lends no rights.
func mayHardLink(t current.Task, i *Inode, s *Stat) bool {
	c := t.Cred()
	if c.FSUID == s.UID || c.HasCap(unix.CAP_FOWNER) {
		return true
	}
	const setgidExec = unix.S_ISGID | 0o010
	return s.Mode&unix.S_IFMT == unix.S_IFREG && s.Mode&unix.S_ISUID == 0 && s.Mode&setgidExec != setgidExec &&
		inodePermission(t, i, c, MayRead|MayWrite) == nil
}

// Unlink is unlinkat(2); dir is AT_REMOVEDIR.
func Unlink(t current.Task, a At, dir bool) error {
	return inParent(t, &a, func(w *walker, name string) error {
		switch {
		case dir && name == "" || dir && name == "..":
			if name == "" {
				return unix.EBUSY
			}
			return unix.ENOTEMPTY
		case dir && name == ".":
			return unix.EINVAL
		case name == "" || name == "." || name == "..":
			return unix.EISDIR
		}
		if w.cur.Mount.ReadOnly() {
			return unix.EROFS
		}
		d, err := w.cur.Dentry.lookup(t, name, nil)
		if err != nil {
			return err
		}
		defer d.DecRef()
		i := d.Inode()
		switch {
		case i == nil:
			return unix.ENOENT
		case w.mustDir && i.Type != unix.S_IFDIR:
			return unix.ENOTDIR
		case w.mustDir && !dir:
			return unix.EISDIR
		}
		if err := mayDelete(t, w.cur, i, dir); err != nil {
			return err
		}
		if d.mounted.Load() > 0 {
			return unix.EBUSY
		}
		return w.remove(d, i, name, dir)
	})
}

// remove takes the name of d away, and tells watchers in Linux's order.
func (w *walker) remove(d *Dentry, i *Inode, name string, dir bool) error {
	p := w.cur.Dentry
	p.mu.Lock()
	if p.children[name] != d || d.Inode() != i {
		p.mu.Unlock()
		return unix.ENOENT
	}
	var unused []*Dentry
	var err error
	if impl := p.Inode().ops.dir; dir {
		d.mu.Nested() // nobody may fill a directory that is being removed
		if err = impl.Rmdir(w.t, name, i); err == nil {
			p.unhash(d, name)
			unused = d.dropUnused()
		}
		d.mu.Unlock()
	} else if err = impl.Unlink(w.t, name, i); err == nil {
		p.unhash(d, name)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	freeAll(unused)
	mask := uint32(unix.IN_DELETE)
	if dir {
		mask |= unix.IN_ISDIR
	} else {
		i.notify(unix.IN_ATTRIB, 0, "")
	}
	d.erase(w.t)
	p.Inode().notify(mask, 0, name)
	return nil
}

// erase tells watchers that a file is gone if d, which was unhashed, was its
// last name: now if nobody else uses d, or else when it is freed. The caller
// has a reference.
func (d *Dentry) erase(t current.Task) {
	i := d.Inode()
	if i.FS.watches.Load() == 0 {
		return
	}
	if s, err := i.Impl.Stat(t); err != nil || s.Nlink != 0 && i.Type != unix.S_IFDIR {
		return
	}
	if d.refs.Load() == 1 {
		i.notify(unix.IN_DELETE_SELF, 0, "")
		return
	}
	d.erased.Store(true)
}
