package vfs

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
)

// Filesystem is a mounted or mountable instance.
type Filesystem struct {
	Impl FilesystemImpl // immutable
	Type string         // immutable: "tmpfs", as /proc/mounts says
	Dev  Dev            // immutable: st_dev of its inodes
	// Volatile means that names are cached only while they are in use (proc).
	Volatile bool // immutable
	// Nameless means that its inodes are in no directory, but can be bind mounted
	// onto files (nsfs).
	Nameless bool // immutable
	// Above is where its root is in a file system that it is part of, as mountinfo
	// tells; "" is nowhere.
	Above string // immutable
	refs  atomic.Int64

	rename lock.Mutex[lock.Rename]
	lru    lru
	// watches counts the watchers of its inodes, so that what nobody watches
	// is told to nobody at the price of one load.
	watches atomic.Int64
	// names guards name and parent of every dentry.
	names lock.RWMutex[lock.Leaf]
}

// NewFilesystem makes an instance with one reference.
func NewFilesystem(impl FilesystemImpl, typ string, dev Dev) *Filesystem {
	fs := &Filesystem{Impl: impl, Type: typ, Dev: dev}
	fs.refs.Store(1)
	return fs
}

// IncRef adds a reference.
func (fs *Filesystem) IncRef() { fs.refs.Add(1) }

// DecRef drops one; with the last the cached names go and Impl.Release is
// called.
func (fs *Filesystem) DecRef() {
	if fs.refs.Add(-1) == 0 {
		fs.lru.empty()
		fs.Impl.Release()
	}
}

// Inode is a file. It is made by its file system and counted by vfs.
type Inode struct {
	Impl InodeImpl   // immutable
	FS   *Filesystem // immutable
	Type uint32      // immutable: S_IFMT bits
	Ino  uint64      // immutable
	refs atomic.Int64
	ops  inodeOps // immutable: the optional interfaces that Impl has
	// writers counts who has it open for writing or, below zero, who runs it
	// (i_writecount).
	writers atomic.Int64
	special Special
}

// inodeOps are Impl's optional interfaces, nil where it has none.
type inodeOps struct {
	dir      DirImpl
	readlink Readlinker
	magic    MagicLink
	many     MultiLookup
	valid    Revalidator
	xattrs   Xattrs
	perm     Permitter
	tmpfile  TmpfileMaker
	special  SpecialHolder
	driver   selfOpening
}

// selfOpening is a device node that opens by itself, without a driver.
type selfOpening interface{ SelfOpening() }

// NewInodeOf returns an inode with one reference, for the caller.
func NewInodeOf(fs *Filesystem, impl InodeImpl, typ uint32, ino uint64) *Inode {
	i := &Inode{Impl: impl, FS: fs, Type: typ, Ino: ino}
	i.refs.Store(1)
	o := &i.ops
	o.dir, _ = impl.(DirImpl)
	o.readlink, _ = impl.(Readlinker)
	o.magic, _ = impl.(MagicLink)
	o.many, _ = impl.(MultiLookup)
	o.valid, _ = impl.(Revalidator)
	o.xattrs, _ = impl.(Xattrs)
	o.perm, _ = impl.(Permitter)
	o.tmpfile, _ = impl.(TmpfileMaker)
	o.special, _ = impl.(SpecialHolder)
	o.driver, _ = impl.(selfOpening)
	return i
}

// IncRef adds a reference.
func (i *Inode) IncRef() { i.refs.Add(1) }

// TryIncRef adds a reference unless the last is gone already: for a file
// system's own table of inodes.
func (i *Inode) TryIncRef() bool {
	for {
		n := i.refs.Load()
		if n == 0 {
			return false
		}
		if i.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// addWriter counts somebody who writes; ETXTBSY if the file is being run.
func (i *Inode) addWriter() error { return i.claim(+1) }

// denyWriters counts somebody who runs the file; ETXTBSY if it is being written.
func (i *Inode) denyWriters() error { return i.claim(-1) }

// claim moves writers away from zero by one in the direction of by. A plain
// Add takes it back.
func (i *Inode) claim(by int64) error {
	for {
		n := i.writers.Load()
		if n*by < 0 {
			return unix.ETXTBSY
		}
		if i.writers.CompareAndSwap(n, n+by) {
			return nil
		}
	}
}

// DecRef drops one; with the last Impl.Release is called.
func (i *Inode) DecRef() {
	if i.refs.Add(-1) == 0 {
		i.Impl.Release()
	}
}

// Special is what lives in memory beside an inode: file locks, the pipe of a
// FIFO, the socket that is bound to it, who watches it.
type Special struct {
	mu       lock.Mutex[lock.Leaf]
	pipe     any       // guarded by mu: *pipe.Pipe, made by the first open
	bound    any       // guarded by mu: the socket bound to the name
	locks    *Locks    // guarded by mu
	watchers []Watcher // guarded by mu, replaced as a whole

	watched atomic.Bool // watchers is not empty
}

// special returns where the inode keeps its Special.
func (i *Inode) specials() *Special {
	if i.ops.special != nil {
		return i.ops.special.Special()
	}
	return &i.special
}

// Pipe returns what the first opener of a FIFO left, making it with mk if there
// is none.
func (s *Special) Pipe(mk func() any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipe == nil {
		s.pipe = mk()
	}
	return s.pipe
}

// Bound returns the socket bound to the inode, or nil.
func (i *Inode) Bound() any {
	s := i.specials()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// SetBound sets what Bound returns.
func (i *Inode) SetBound(v any) {
	s := i.specials()
	s.mu.Lock()
	s.bound = v
	s.mu.Unlock()
}

// Watcher is told what happens to an inode (inotify). Event is called without
// vfs locks of rank Leaf, but perhaps with a directory's: it must not come back
// into vfs.
type Watcher interface {
	Event(mask, cookie uint32, name string)
}

// AddWatch adds a watcher.
func (i *Inode) AddWatch(w Watcher) {
	s := i.specials()
	s.mu.Lock()
	s.watchers = append(slices.Clone(s.watchers), w)
	s.watched.Store(true)
	s.mu.Unlock()
	i.FS.watches.Add(1)
}

// RemoveWatch takes one off.
func (i *Inode) RemoveWatch(w Watcher) {
	s := i.specials()
	s.mu.Lock()
	had := len(s.watchers)
	s.watchers = slices.DeleteFunc(slices.Clone(s.watchers), func(x Watcher) bool { return x == w })
	s.watched.Store(len(s.watchers) > 0)
	gone := had - len(s.watchers)
	s.mu.Unlock()
	i.FS.watches.Add(-int64(gone))
}

// notify tells the watchers of i.
func (i *Inode) notify(mask, cookie uint32, name string) {
	if i.FS.watches.Load() == 0 {
		return
	}
	s := i.specials()
	if !s.watched.Load() {
		return
	}
	s.mu.Lock()
	ws := s.watchers
	s.mu.Unlock()
	for _, w := range ws {
		w.Event(mask, cookie, name)
	}
}
