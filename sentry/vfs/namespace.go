package vfs

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// Namespace is a mount namespace.
type Namespace struct {
	env  *Environment // immutable
	id   uint32       // immutable: in /proc/PID/ns
	refs atomic.Int64

	changes wait.Queue
	version atomic.Uint64 // how often the mounts have changed

	mu struct {
		lock.RWMutex[lock.Mount]
		root   *Mount
		mounts map[place]*Mount
		count  int
	}
}

// place is where something is mounted.
type place struct {
	m *Mount
	d *Dentry
}

// maxMounts is /proc/sys/fs/mount-max.
const maxMounts = 100000

// NewNamespace returns a mount namespace whose root is fs, with one reference.
// The references of fs and root are taken over.
func NewNamespace(env *Environment, fs *Filesystem, root *Inode, source string, flags uint64) *Namespace {
	ns := &Namespace{env: env}
	ns.refs.Store(1)
	ns.mu.mounts = map[place]*Mount{}
	ns.setRoot(env.newMount(fs, newRoot(fs, root), source, flags))
	ns.mu.count = 1
	ns.id = uint32(ns.mu.root.ID) + 0xf0000000
	return ns
}

// setRoot makes m, which is not mounted anywhere, the root. ns.mu is held, or
// nobody else knows ns.
func (ns *Namespace) setRoot(m *Mount) {
	m.ns.Store(ns)
	m.parent, m.point = nil, nil
	ns.mu.root = m
}

// ID returns the namespace's number in /proc/PID/ns.
func (ns *Namespace) ID() uint32 { return ns.id }

// Env returns the environment.
func (ns *Namespace) Env() *Environment { return ns.env }

// IncRef adds a reference.
func (ns *Namespace) IncRef() { ns.refs.Add(1) }

// TryIncRef is IncRef for who has no reference: false if the namespace is gone.
func (ns *Namespace) TryIncRef() bool {
	for n := ns.refs.Load(); n > 0; n = ns.refs.Load() {
		if ns.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// DecRef drops one; with the last everything is unmounted.
func (ns *Namespace) DecRef() {
	if ns.refs.Add(-1) != 0 {
		return
	}
	ns.mu.Lock()
	gone := ns.mu.root.subtree(nil)
	for _, m := range gone {
		m.ns.Store(nil)
		m.children = nil
	}
	ns.mu.mounts = nil
	ns.mu.Unlock()
	for _, m := range slices.Backward(gone) {
		m.detached()
	}
}

// detached drops what held a mount in the tree.
func (m *Mount) detached() {
	if m.point != nil {
		m.point.mounted.Add(-1)
		m.point.DecRef()
		m.parent.decRef()
	}
	m.decRef()
}

// subtree appends m and all below it to ms. ns.mu is held.
func (m *Mount) subtree(ms []*Mount) []*Mount {
	ms = append(ms, m)
	for _, c := range m.children {
		ms = c.subtree(ms)
	}
	return ms
}

// above returns what m is mounted on, with references; ok is false for the root
// of a namespace and for what is not mounted.
func (m *Mount) above() (p Path, ok bool) {
	ns := m.ns.Load()
	if ns == nil {
		return Path{}, false
	}
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	if m.ns.Load() != ns || m.parent == nil {
		return Path{}, false
	}
	return Path{m.parent, m.point}.IncRef(), true
}

// Root returns the namespace's root, with references.
func (ns *Namespace) Root() Path {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	m := ns.mu.root
	return Path{m, m.root}.IncRef().over(ns)
}

// over returns what is mounted on top of p, or p; p's references are exchanged.
// ns.mu is held.
func (p Path) over(ns *Namespace) Path {
	for p.Dentry.mounted.Load() > 0 {
		m := ns.mu.mounts[place{p.Mount, p.Dentry}]
		if m == nil {
			break
		}
		n := Path{m, m.root}.IncRef()
		p.DecRef()
		p = n
	}
	return p
}

// enter crosses into what is mounted at p; p's references are exchanged.
func (p Path) enter() Path {
	if p.Dentry.mounted.Load() == 0 {
		return p
	}
	ns := p.Mount.ns.Load()
	if ns == nil {
		return p
	}
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	return p.over(ns)
}

// attach puts m at p, on top of what is there. ns.mu is held; p's references
// are taken over.
func (ns *Namespace) attach(m *Mount, p Path) {
	m.ns.Store(ns)
	m.parent, m.point = p.Mount, p.Dentry
	p.Dentry.mounted.Add(1)
	p.Mount.children = append(p.Mount.children, m)
	ns.mu.mounts[place{p.Mount, p.Dentry}] = m
	ns.mu.count++
	ns.touch()
}

// touch says that the mounts changed.
func (ns *Namespace) touch() {
	ns.version.Add(1)
	ns.changes.Notify(wait.Err | wait.Pri)
}

// Version is a number that is another one after the mounts changed.
func (ns *Namespace) Version() uint64 { return ns.version.Load() }

// Changes is notified of it, with Err and Pri.
func (ns *Namespace) Changes() *wait.Queue { return &ns.changes }

// unlink takes m out of the tree; what it held is dropped by detached. ns.mu is
// held.
func (ns *Namespace) unlink(m *Mount) {
	at := place{m.parent, m.point}
	if ns.mu.mounts[at] == m {
		delete(ns.mu.mounts, at)
	}
	m.parent.children = slices.DeleteFunc(slices.Clone(m.parent.children), func(c *Mount) bool { return c == m })
	m.ns.Store(nil)
	ns.mu.count--
	ns.touch()
}

// mountable checks that something may be mounted at p.
func mountable(p Path, dir bool) error {
	if (p.Inode().Type == unix.S_IFDIR) != dir {
		return unix.ENOTDIR
	}
	if p.Dentry.Deleted() {
		return unix.ENOENT
	}
	return nil
}

// Mount puts fs (whose root inode is root, both references taken over) at p.
// flags are MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME ….
func (ns *Namespace) Mount(_ current.Task, p Path, fs *Filesystem, root *Inode, source string, flags uint64) (*Mount, error) {
	err := mountable(p, root.Type == unix.S_IFDIR)
	m := ns.env.newMount(fs, newRoot(fs, root), source, flags)
	ns.mu.Lock()
	switch {
	case err != nil:
	case p.Mount.ns.Load() != ns:
		err = unix.EINVAL
	case ns.mu.count >= maxMounts:
		err = unix.ENOSPC
	default:
		ns.attach(m, p.IncRef().over(ns))
	}
	ns.mu.Unlock()
	if err != nil {
		m.decRef()
		return nil, err
	}
	return m, nil
}

// Umount is umount2(2). What is mounted over the root of p's mount goes first,
// as it does for "." on Linux.
func (ns *Namespace) Umount(_ current.Task, p Path, flags uint32) error {
	if flags&unix.MNT_EXPIRE != 0 && flags&(unix.MNT_FORCE|unix.MNT_DETACH) != 0 {
		return unix.EINVAL
	}
	ns.mu.Lock()
	top := p.IncRef().over(ns)
	users := int64(2) // its place in the tree, and top
	if top.Mount == p.Mount {
		users++
	}
	gone, err := ns.umount(top, users, flags)
	ns.mu.Unlock()
	top.DecRef()
	for _, x := range slices.Backward(gone) {
		x.detached()
	}
	return err
}

// umount takes the mount whose root p is out of the tree, with all that is on
// it, and returns what is to be dropped. With more references than users it is
// busy. ns.mu is held.
func (ns *Namespace) umount(p Path, users int64, flags uint32) ([]*Mount, error) {
	m := p.Mount
	switch {
	case m.ns.Load() != ns || p.Dentry != m.root:
		return nil, unix.EINVAL
	case m == ns.mu.root:
		return nil, unix.EBUSY
	case flags&unix.MNT_DETACH == 0 && (len(m.children) > 0 || m.refs.Load() > users):
		return nil, unix.EBUSY
	case flags&unix.MNT_EXPIRE != 0:
		return nil, unix.EAGAIN // it is marked; hull never lets it expire
	}
	gone := m.subtree(nil)
	for _, x := range gone {
		ns.unlink(x)
	}
	return gone, nil
}

// isBelow reports whether d is in the subtree of top.
func isBelow(d, top *Dentry) bool {
	d.fs.names.RLock()
	defer d.fs.names.RUnlock()
	for d = d.parent; d != nil; d = d.parent {
		if d == top {
			return true
		}
	}
	return false
}
