package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

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
			for {
				r := rename{t: t, ow: ow, nw: nw, oldName: oldName, newName: newName, flags: flags}
				if again, err := r.run(); !again {
					return err
				}
			}
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
	unused           []*Dentry // of a directory that was replaced
}

// run does it. again says that one of the names came to mean something else
// before the directories were locked.
func (r *rename) run() (again bool, err error) {
	od, nd := r.ow.cur.Dentry, r.nw.cur.Dentry
	if r.child, err = od.lookup(r.t, r.oldName, nil); err != nil {
		return false, err
	}
	defer r.child.DecRef()
	if r.target, err = nd.lookupOrNegative(r.t, r.newName); err != nil {
		return false, err
	}
	defer r.target.DecRef()
	od.fs.rename.Lock()
	lockPair(od, nd)
	same := false
	if od.children[r.oldName] != r.child || nd.children[r.newName] != r.target {
		again = true
	} else if err = r.check(); err == nil {
		// Of two names of one file nothing happens.
		if same = r.child.Inode() == r.target.Inode(); !same {
			if err = r.permitted(); err == nil {
				err = r.move()
			}
		}
	}
	unlockPair(od, nd)
	od.fs.rename.Unlock()
	if err != nil || same || again {
		return again, err
	}
	freeAll(r.unused)
	r.tell(r.ow.cur.Mount.env.cookie())
	return false, nil
}

// lockPair locks two directories for change, the outer one first. Of two that
// are beside each other either may be first: only renames lock such, and those
// of a file system one at a time.
func lockPair(a, b *Dentry) {
	switch {
	case a == b:
		a.mu.Lock()
	case isBelow(a, b):
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

// check decides whether the rename makes sense. Both directories are locked.
func (r *rename) check() error {
	od, nd := r.ow.cur.Dentry, r.nw.cur.Dentry
	child, target := r.child.Inode(), r.target.Inode()
	switch {
	case child == nil, nd.Deleted():
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
	return nil
}

// permitted decides whether the caller may. Both directories are locked.
func (r *rename) permitted() error {
	od, nd := r.ow.cur.Dentry, r.nw.cur.Dentry
	child, target := r.child.Inode(), r.target.Inode()
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
	replaces := target != nil && target.Type == unix.S_IFDIR && r.flags&unix.RENAME_EXCHANGE == 0
	if replaces {
		r.target.mu.Nested() // below nd: nobody may fill a directory that goes
		defer r.target.mu.Unlock()
	}
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
	if replaces {
		r.unused = r.target.dropUnused()
	}
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

// tell informs watchers (fsnotify_move).
func (r *rename) tell(cookie uint32) {
	i := r.child.Inode()
	dir := uint32(0)
	if i.Type == unix.S_IFDIR {
		dir = unix.IN_ISDIR
	}
	r.ow.cur.Inode().notify(unix.IN_MOVED_FROM|dir, cookie, r.oldName)
	r.nw.cur.Inode().notify(unix.IN_MOVED_TO|dir, cookie, r.newName)
	i.notify(unix.IN_MOVE_SELF, 0, "")
	t := r.target.Inode()
	switch {
	case t == nil:
	case r.flags&unix.RENAME_EXCHANGE == 0:
		if t.Type != unix.S_IFDIR {
			t.notify(unix.IN_ATTRIB, 0, "")
		}
		r.target.erase(r.t)
	default:
		dir = 0
		if t.Type == unix.S_IFDIR {
			dir = unix.IN_ISDIR
		}
		cookie = r.ow.cur.Mount.env.cookie()
		r.nw.cur.Inode().notify(unix.IN_MOVED_FROM|dir, cookie, r.newName)
		r.ow.cur.Inode().notify(unix.IN_MOVED_TO|dir, cookie, r.oldName)
		t.notify(unix.IN_MOVE_SELF, 0, "")
	}
}
