package vfs

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
)

// Dentry is a name in a directory, or the root of a file system. A negative
// dentry has no inode: it says that there is nothing of that name.
//
// Life: made by a lookup, hashed (in its parent's children); used, when it has
// references, or unused, when it waits in the LRU; unhashed by an unlink or
// eviction; freed when it is neither hashed nor referenced. A dentry has a
// reference on its parent as long as it is not freed.
type Dentry struct {
	fs    *Filesystem           // immutable
	inode atomic.Pointer[Inode] // nil: negative. Set once
	refs  atomic.Int64
	// mounted counts the mounts on it, so that a walk seldom has to ask.
	mounted atomic.Int32
	hashed  atomic.Bool // changes under the parent's mu
	freed   atomic.Bool
	queued  atomic.Bool // is in the LRU
	// linkable: it was made by O_TMPFILE without O_EXCL and may yet be named.
	linkable atomic.Bool
	erased   atomic.Bool // it was the last name of the file: watchers are told when it is freed

	name   string  // guarded by fs.names
	parent *Dentry // guarded by fs.names; nil for a root

	// mu guards children, and is held for writing while the directory changes.
	mu       lock.RWMutex[lock.Dentry]
	children map[string]*Dentry
}

// newRoot returns the dentry of a file system's root with one reference. It
// takes over root's.
func newRoot(fs *Filesystem, root *Inode) *Dentry {
	d := &Dentry{fs: fs, name: "/"}
	d.inode.Store(root)
	d.refs.Store(1)
	return d
}

// newDetached returns a dentry that is in no directory, with one reference. It
// takes over i's.
func newDetached(fs *Filesystem, i *Inode, name string) *Dentry {
	d := &Dentry{fs: fs, name: name}
	d.inode.Store(i)
	d.refs.Store(1)
	return d
}

// Inode returns what the name stands for, nil if the dentry is negative.
func (d *Dentry) Inode() *Inode { return d.inode.Load() }

// IncRef adds a reference; the caller has one.
func (d *Dentry) IncRef() { d.refs.Add(1) }

// DecRef drops one. It must be called without the lock of a dentry.
func (d *Dentry) DecRef() {
	for d != nil && d.refs.Add(-1) == 0 {
		switch {
		case !d.hashed.Load():
			d = d.free()
		case d.fs.Volatile:
			d = d.evict()
		default:
			d.fs.lru.push(d)
			return
		}
	}
}

// free gives up what a dentry without references, that nobody can find, holds.
// It returns the parent, whose reference the caller drops.
func (d *Dentry) free() *Dentry {
	if d.refs.Load() != 0 || !d.freed.CompareAndSwap(false, true) {
		return nil
	}
	if i := d.inode.Load(); i != nil {
		if d.erased.Load() {
			i.notify(unix.IN_DELETE_SELF, 0, "")
		}
		i.DecRef()
	}
	p, _ := d.place()
	return p
}

// evict unhashes a dentry that is not used and frees it.
func (d *Dentry) evict() *Dentry {
	p, name := d.place()
	if p == nil {
		return nil
	}
	p.mu.Lock()
	if d.refs.Load() != 0 || p.children[name] != d {
		p.mu.Unlock()
		return nil
	}
	p.unhash(d, name)
	p.mu.Unlock()
	return d.free()
}

// place returns parent and name.
func (d *Dentry) place() (*Dentry, string) {
	d.fs.names.RLock()
	defer d.fs.names.RUnlock()
	return d.parent, d.name
}

// unhash takes the child d off. p.mu is held for writing.
func (p *Dentry) unhash(d *Dentry, name string) {
	if p.children[name] == d {
		delete(p.children, name)
	}
	d.hashed.Store(false)
}

// dropUnused unhashes the children that nobody uses, of a directory that was
// removed: they would keep it. p.mu is held for writing; the caller frees what is
// returned.
func (p *Dentry) dropUnused() []*Dentry {
	var gone []*Dentry
	for name, c := range p.children {
		if c.refs.Load() == 0 {
			p.unhash(c, name)
			gone = append(gone, c)
		}
	}
	return gone
}

// freeAll frees unhashed dentries, without locks.
func freeAll(ds []*Dentry) {
	for _, d := range ds {
		if p := d.free(); p != nil {
			p.DecRef()
		}
	}
}

// hash adds a new child; i is nil for a negative one, whose reference is taken
// over otherwise. The child has one reference. p.mu is held for writing.
func (p *Dentry) hash(name string, i *Inode) *Dentry {
	d := &Dentry{fs: p.fs, name: name, parent: p}
	d.inode.Store(i)
	d.refs.Store(1)
	d.hashed.Store(true)
	p.IncRef()
	if p.children == nil {
		p.children = map[string]*Dentry{}
	}
	p.children[name] = d
	return d
}

// detached reports whether d never was in a directory (a memfd).
func (d *Dentry) detached() bool {
	p, n := d.place()
	return p == nil && n != "/"
}

// Deleted reports whether the name is gone.
func (d *Dentry) Deleted() bool {
	p, _ := d.place()
	return p != nil && !d.hashed.Load()
}

// cached returns the child of that name with a reference, or nil.
func (p *Dentry) cached(name string) *Dentry {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if d := p.children[name]; d != nil {
		d.refs.Add(1)
		return d
	}
	return nil
}

// lookup returns the child of that name with a reference, negative if there is
// none. ahead are the names that the walk goes on with.
func (p *Dentry) lookup(t current.Task, name string, ahead []string) (*Dentry, error) {
	if d := p.cached(name); d != nil {
		if d.valid(t, p, name) {
			return d, nil
		}
		p.forget(d, name)
	}
	p.mu.Lock()
	d, more, err := p.lookupLocked(t, name, ahead)
	var made []*Dentry
	if err == nil {
		made = d.install(ahead, more)
	}
	p.mu.Unlock()
	for _, m := range slices.Backward(made) {
		m.DecRef()
	}
	return d, err
}

// lookupOrNegative is lookup for a name that need not be there: its dentry is
// negative then, also where such are not kept.
func (p *Dentry) lookupOrNegative(t current.Task, name string) (*Dentry, error) {
	d, err := p.lookup(t, name, nil)
	if err != unix.ENOENT || !p.fs.Volatile {
		return d, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.children[name]; d != nil {
		d.refs.Add(1)
		return d, nil
	}
	if p.Deleted() {
		return nil, unix.ENOENT
	}
	return p.hash(name, nil), nil
}

// valid asks the file system whether a cached name still holds.
func (d *Dentry) valid(t current.Task, p *Dentry, name string) bool {
	i := d.Inode()
	if i == nil || i.ops.valid == nil {
		return true
	}
	return i.ops.valid.Valid(t, p.Inode(), name)
}

// forget unhashes d, which is no longer true, and drops the caller's reference.
func (p *Dentry) forget(d *Dentry, name string) {
	p.mu.Lock()
	p.unhash(d, name)
	p.mu.Unlock()
	d.DecRef()
}

// lookupLocked is lookup with p.mu held for writing. more are inodes of names
// ahead that the file system found on the way.
func (p *Dentry) lookupLocked(t current.Task, name string, ahead []string) (d *Dentry, more []*Inode, err error) {
	if d := p.children[name]; d != nil {
		d.refs.Add(1)
		return d, nil, nil
	}
	if len(name) > nameMax {
		return nil, nil, unix.ENAMETOOLONG
	}
	dir := p.Inode()
	if dir.ops.dir == nil {
		return nil, nil, unix.ENOTDIR
	}
	if p.Deleted() {
		return nil, nil, unix.ENOENT
	}
	var i *Inode
	if dir.ops.many != nil && len(ahead) > 0 {
		names := append(append(make([]string, 0, 1+len(ahead)), name), ahead...)
		var is []*Inode
		is, err = dir.ops.many.LookupMany(t, names)
		if len(is) > 0 {
			i, more, err = is[0], is[1:], nil
		}
	} else {
		i, err = dir.ops.dir.Lookup(t, name)
	}
	switch {
	case err == unix.ENOENT && p.fs.Volatile:
		return nil, nil, unix.ENOENT
	case err == unix.ENOENT:
		return p.hash(name, nil), nil, nil
	case err != nil:
		return nil, nil, err
	}
	return p.hash(name, i), more, nil
}

// install caches inodes that were found ahead, below d, by their names, and
// returns the dentries with a reference each. d is new, and d's parent still
// locked: nobody can have come here.
func (d *Dentry) install(names []string, inodes []*Inode) []*Dentry {
	var made []*Dentry
	for n, i := range inodes {
		d.mu.Nested() // below its parent
		c := d.hash(names[n], i)
		d.mu.Unlock()
		made = append(made, c)
		d = c
	}
	return made
}

// lru is the unused dentries of a file system, oldest first.
type lru struct {
	mu    lock.Mutex[lock.Leaf]
	queue []*Dentry // guarded by mu
	head  int       // guarded by mu: where the queue begins
}

// lruLimit is how many unused dentries a file system keeps.
const lruLimit = 8192

// push adds a dentry that became unused, and evicts the oldest if they are too
// many.
func (l *lru) push(d *Dentry) {
	if !d.queued.CompareAndSwap(false, true) {
		return
	}
	var old *Dentry
	l.mu.Lock()
	l.queue = append(l.queue, d)
	if len(l.queue)-l.head > lruLimit {
		old = l.queue[l.head]
		l.queue[l.head] = nil
		l.head++
		if l.head > lruLimit {
			l.queue = append([]*Dentry(nil), l.queue[l.head:]...)
			l.head = 0
		}
	}
	l.mu.Unlock()
	if old != nil {
		old.queued.Store(false)
		if p := old.evict(); p != nil {
			p.DecRef()
		}
	}
}

// empty evicts all, of a file system that nobody uses any more.
func (l *lru) empty() {
	for {
		l.mu.Lock()
		all := l.queue[l.head:]
		l.queue, l.head = nil, 0
		l.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for _, d := range all {
			d.queued.Store(false)
			if p := d.evict(); p != nil {
				p.DecRef()
			}
		}
	}
}

// nameMax is NAME_MAX.
const nameMax = 255
