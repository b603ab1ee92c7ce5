package vfs

import (
	"unsafe"

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
func create(t current.Task, a *At, dirOK bool, mk func(dir *Inode, impl DirImpl, name string) (*Inode, error)) (Path, error) {
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
			if i, err = mk(dir, dir.ops.dir, name); err == nil {
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
	p, err := create(t, &a, true, func(dir *Inode, impl DirImpl, name string) (*Inode, error) {
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
	return create(t, &a, false, func(dir *Inode, impl DirImpl, name string) (*Inode, error) {
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
	p, err := create(t, &a, false, func(dir *Inode, impl DirImpl, name string) (*Inode, error) {
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
	p, err := create(t, &new, false, func(dir *Inode, impl DirImpl, name string) (*Inode, error) {
		if dir.FS != i.FS {
			return nil, unix.EXDEV
		}
		if i.Type == unix.S_IFDIR {
			return nil, unix.EPERM
		}
		if err := impl.Link(t, name, i); err != nil {
			return nil, err
		}
		i.IncRef()
		return i, nil
	})
	if err == nil && src.Mount.fs != p.Mount.fs {
		err = unix.EXDEV
	}
	p.DecRef()
	if err == nil {
		i.notify(unix.IN_ATTRIB, 0, "")
	}
	return err
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
		p := w.cur.Dentry
		d, err := p.lookup(t, name, nil)
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
		case w.cur.Mount.ReadOnly():
			return unix.EROFS
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

// remove takes the name of d away.
func (w *walker) remove(d *Dentry, i *Inode, name string, dir bool) error {
	p := w.cur.Dentry
	p.mu.Lock()
	if p.children[name] != d {
		p.mu.Unlock()
		return unix.ENOENT
	}
	impl := p.Inode().ops.dir
	var err error
	if dir {
		d.mu.Nested() // nobody may fill a directory that is being removed
		if err = impl.Rmdir(w.t, name, i); err == nil {
			p.unhash(d, name)
		}
		d.mu.Unlock()
	} else if err = impl.Unlink(w.t, name, i); err == nil {
		p.unhash(d, name)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	mask := uint32(unix.IN_DELETE)
	if dir {
		mask |= unix.IN_ISDIR
	}
	p.Inode().notify(mask, 0, name)
	if dir {
		i.notify(unix.IN_DELETE_SELF, 0, "")
	} else {
		i.notify(unix.IN_ATTRIB, 0, "")
		if s, err := i.Impl.Stat(w.t); err == nil && s.Nlink == 0 {
			i.notify(unix.IN_DELETE_SELF, 0, "")
		}
	}
	return nil
}

// Rename is renameat2(2).
func Rename(t current.Task, old, new At, flags uint32) error {
	const exchange, noreplace = unix.RENAME_EXCHANGE, unix.RENAME_NOREPLACE
	if flags&^(noreplace|exchange|unix.RENAME_WHITEOUT) != 0 || flags&exchange != 0 && flags&(noreplace|unix.RENAME_WHITEOUT) != 0 {
		return unix.EINVAL
	}
	return inParent(t, &old, func(ow *walker, oldName string) error {
		return inParent(t, &new, func(nw *walker, newName string) error {
			special := func(n string) bool { return n == "" || n == "." || n == ".." }
			switch {
			case ow.cur.Mount != nw.cur.Mount:
				return unix.EXDEV
			case special(oldName):
				return unix.EBUSY
			case special(newName):
				if flags&noreplace != 0 {
					return unix.EEXIST
				}
				return unix.EBUSY
			case ow.cur.Mount.ReadOnly():
				return unix.EROFS
			}
			r := rename{t: t, ow: ow, nw: nw, oldName: oldName, newName: newName, flags: flags}
			return r.run()
		})
	})
}

// rename is one renameat2 under way.
type rename struct {
	t                current.Task
	ow, nw           *walker
	oldName, newName string
	flags            uint32
	child, target    *Dentry
}

func (r *rename) run() error {
	od, nd := r.ow.cur.Dentry, r.nw.cur.Dentry
	var err error
	if r.child, err = od.lookup(r.t, r.oldName, nil); err != nil {
		return err
	}
	defer r.child.DecRef()
	if r.target, err = nd.lookupOrNegative(r.t, r.newName); err != nil {
		return err
	}
	defer r.target.DecRef()
	od.fs.rename.Lock()
	lockPair(od, nd)
	err = r.check()
	var cookie uint32
	if err == nil && r.child.Inode() == r.target.Inode() {
		err = errSame
	}
	if err == nil {
		err = r.move()
	}
	unlockPair(od, nd)
	od.fs.rename.Unlock()
	if err == errSame {
		return nil // two names of one file: nothing happens
	}
	if err != nil {
		return err
	}
	cookie = uint32(uintptr(unsafe.Pointer(r.child)) >> 4)
	r.tell(cookie)
	return nil
}

const errSame = unix.ESTALE

// lockPair locks two directories for change, the outer one first.
func lockPair(a, b *Dentry) {
	switch {
	case a == b:
		a.mu.Lock()
	case isBelow(a, b) || !isBelow(b, a) && uintptr(unsafe.Pointer(b)) < uintptr(unsafe.Pointer(a)):
		b.mu.Lock()
		a.mu.Nested()
	default:
		a.mu.Lock()
		b.mu.Nested()
	}
}

func unlockPair(a, b *Dentry) {
	a.mu.Unlock()
	if a != b {
		b.mu.Unlock()
	}
}

// check decides whether the rename may be. Both directories are locked.
func (r *rename) check() error {
	od, nd := r.ow.cur.Dentry, r.nw.cur.Dentry
	child, target := r.child.Inode(), r.target.Inode()
	switch {
	case child == nil || od.children[r.oldName] != r.child:
		return unix.ENOENT
	case nd.children[r.newName] != r.target && target != nil, nd.Deleted():
		return unix.ENOENT
	case r.flags&unix.RENAME_NOREPLACE != 0 && target != nil:
		return unix.EEXIST
	case r.flags&unix.RENAME_EXCHANGE != 0 && target == nil:
		return unix.ENOENT
	case child.Type != unix.S_IFDIR && (r.ow.mustDir || r.nw.mustDir && r.flags&unix.RENAME_EXCHANGE == 0):
		return unix.ENOTDIR
	case r.child == nd || isBelow(nd, r.child):
		return unix.EINVAL
	case target != nil && (r.target == od || isBelow(od, r.target)):
		if r.flags&unix.RENAME_EXCHANGE != 0 {
			return unix.EINVAL
		}
		return unix.ENOTEMPTY
	}
	isDir := child.Type == unix.S_IFDIR
	if err := mayDelete(r.t, r.ow.cur, child, isDir); err != nil {
		return err
	}
	if target == nil {
		if err := permission(r.t, r.nw.cur, MayWrite|MayExec); err != nil {
			return err
		}
	} else {
		wantDir := isDir
		if r.flags&unix.RENAME_EXCHANGE != 0 {
			wantDir = target.Type == unix.S_IFDIR
		}
		if err := mayDelete(r.t, r.nw.cur, target, wantDir); err != nil {
			return err
		}
	}
	if isDir && od != nd {
		if err := permission(r.t, Path{r.ow.cur.Mount, r.child}, MayWrite); err != nil {
			return err // ".." changes
		}
	}
	if r.child.mounted.Load() > 0 || r.target.mounted.Load() > 0 {
		return unix.EBUSY
	}
	return nil
}

// move does it, in the file system and in the cache.
func (r *rename) move() error {
	od, nd := r.ow.cur.Dentry, r.nw.cur.Dentry
	target := r.target.Inode()
	err := od.Inode().ops.dir.Rename(r.t, r.oldName, r.child.Inode(), nd.Inode(), r.newName, target, r.flags)
	if err != nil {
		return err
	}
	if od.children[r.oldName] == r.child {
		delete(od.children, r.oldName)
	}
	if r.flags&unix.RENAME_EXCHANGE != 0 {
		r.rehash(r.target, od, r.oldName)
		r.rehash(r.child, nd, r.newName)
		return nil
	}
	nd.unhash(r.target, r.newName)
	r.rehash(r.child, nd, r.newName)
	return nil
}

// rehash gives d a new place. Both its old and its new parent are locked.
func (r *rename) rehash(d, parent *Dentry, name string) {
	d.fs.names.Lock()
	old := d.parent
	d.parent, d.name = parent, name
	d.fs.names.Unlock()
	parent.children[name] = d
	if old != parent {
		parent.IncRef()
		old.refs.Add(-1) // never the last: the walk has one
	}
}

// tell informs watchers.
func (r *rename) tell(cookie uint32) {
	i := r.child.Inode()
	dir := uint32(0)
	if i.Type == unix.S_IFDIR {
		dir = unix.IN_ISDIR
	}
	r.ow.cur.Inode().notify(unix.IN_MOVED_FROM|dir, cookie, r.oldName)
	r.nw.cur.Inode().notify(unix.IN_MOVED_TO|dir, cookie, r.newName)
	i.notify(unix.IN_MOVE_SELF, 0, "")
	if t := r.target.Inode(); t != nil && r.flags&unix.RENAME_EXCHANGE == 0 {
		t.notify(unix.IN_ATTRIB, 0, "")
	}
}
