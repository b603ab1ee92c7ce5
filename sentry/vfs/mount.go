package vfs

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
)

// Mount is a file system (or a subtree of one) at a place of a Namespace.
type Mount struct {
	ID     int32        // immutable
	fs     *Filesystem  // immutable, with a reference
	root   *Dentry      // immutable, with a reference
	source string       // immutable
	env    *Environment // immutable
	flags  atomic.Uint64
	refs   atomic.Int64 // Paths that lead here, and one while it is attached

	// The tree, guarded by ns.mu of the namespace that it is in.
	ns       *Namespace
	parent   *Mount
	point    *Dentry // with a reference, as parent has one of this
	children []*Mount
	prop     uint64 // MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE: kept and shown
}

// Environment is what opening special files needs, and what hands out numbers:
// one a kernel, filled in by boot.
type Environment struct {
	Char, Block map[Dev]Driver
	FIFO        FIFOOpener
	lastMount   atomic.Int32
	lastDev     atomic.Uint32
}

// Driver opens a device.
type Driver interface {
	Open(t current.Task, f *File) (FileImpl, error)
}

// FIFOOpener opens named pipes.
type FIFOOpener interface {
	OpenFIFO(t current.Task, f *File, s *Special) (FileImpl, error)
}

// AnonDev returns a device number for a file system without a device (major 0).
func (e *Environment) AnonDev() Dev { return Dev(unix.Mkdev(0, e.lastDev.Add(1)+20)) }

func (e *Environment) newMount(fs *Filesystem, root *Dentry, source string, flags uint64) *Mount {
	m := &Mount{ID: e.lastMount.Add(1) + 20, fs: fs, root: root, source: source, env: e, prop: unix.MS_PRIVATE}
	m.flags.Store(flags & mountFlags)
	m.refs.Store(1)
	return m
}

// mountFlags are the flags that a mount keeps.
const mountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME |
	unix.MS_NODIRATIME | unix.MS_RELATIME | unix.MS_NOSYMFOLLOW

// NoSUID reports whether set-id bits and file capabilities are ignored.
func (m *Mount) NoSUID() bool { return m != nil && m.flags.Load()&unix.MS_NOSUID != 0 }

// NoExec reports whether nothing may be executed.
func (m *Mount) NoExec() bool { return m != nil && m.flags.Load()&unix.MS_NOEXEC != 0 }

// ReadOnly reports whether nothing may be changed.
func (m *Mount) ReadOnly() bool { return m != nil && m.flags.Load()&unix.MS_RDONLY != 0 }

// Child returns a name in the mount's root directory, with references, whatever
// anybody's root is.
func (m *Mount) Child(t current.Task, name string) (Path, error) {
	d, err := m.root.lookup(t, name, nil)
	if err != nil {
		return Path{}, err
	}
	if d.Inode() == nil {
		d.DecRef()
		return Path{}, unix.ENOENT
	}
	m.incRef()
	return Path{m, d}, nil
}

// Flags returns the mount's MS_* flags.
func (m *Mount) Flags() uint64 { return m.flags.Load() }

// incRef and decRef count who uses the mount.
func (m *Mount) incRef() { m.refs.Add(1) }

func (m *Mount) decRef() {
	if m.refs.Add(-1) == 0 {
		m.root.DecRef()
		m.fs.DecRef()
	}
}

// Path is a place in the tree. The zero Path is none.
type Path struct {
	Mount  *Mount
	Dentry *Dentry
}

// IncRef adds a reference to both parts and returns p.
func (p Path) IncRef() Path {
	if p.Dentry != nil {
		p.Mount.incRef()
		p.Dentry.IncRef()
	}
	return p
}

// DecRef drops them. The zero Path may be dropped.
func (p Path) DecRef() {
	if p.Dentry != nil {
		p.Dentry.DecRef()
		p.Mount.decRef()
	}
}

// Inode returns the inode of the path.
func (p Path) Inode() *Inode {
	if p.Dentry == nil {
		return nil
	}
	return p.Dentry.Inode()
}

// Namespace is a mount namespace.
type Namespace struct {
	env  *Environment // immutable
	id   uint32       // immutable: in /proc/PID/ns
	refs atomic.Int64

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
	ns.mu.root = env.newMount(fs, newRoot(fs, root), source, flags)
	ns.mu.root.ns = ns
	ns.id = uint32(ns.mu.root.ID) + 0xf0000000
	ns.mu.count = 1
	return ns
}

// ID returns the namespace's number in /proc/PID/ns.
func (ns *Namespace) ID() uint32 { return ns.id }

// Env returns the environment.
func (ns *Namespace) Env() *Environment { return ns.env }

// IncRef adds a reference.
func (ns *Namespace) IncRef() { ns.refs.Add(1) }

// DecRef drops one; with the last everything is unmounted.
func (ns *Namespace) DecRef() {
	if ns.refs.Add(-1) != 0 {
		return
	}
	ns.mu.Lock()
	gone := ns.mu.root.subtree(nil)
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
	if p.Dentry.mounted.Load() == 0 || p.Mount.ns == nil {
		return p
	}
	ns := p.Mount.ns
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	return p.over(ns)
}

// attach puts m at p, on top of what is there. ns.mu is held; p's references
// are taken over.
func (ns *Namespace) attach(m *Mount, p Path) {
	m.ns, m.parent, m.point = ns, p.Mount, p.Dentry
	p.Dentry.mounted.Add(1)
	p.Mount.children = append(p.Mount.children, m)
	ns.mu.mounts[place{p.Mount, p.Dentry}] = m
	ns.mu.count++
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
	case p.Mount.ns != ns:
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

// Umount is umount2(2).
func (ns *Namespace) Umount(_ current.Task, p Path, flags uint32) error {
	m := p.Mount
	ns.mu.Lock()
	err := func() error {
		switch {
		case m.ns != ns || p.Dentry != m.root:
			return unix.EINVAL
		case m == ns.mu.root:
			return unix.EBUSY
		case flags&unix.MNT_EXPIRE != 0:
			return unix.EAGAIN // it is marked; hull never lets it expire
		case flags&unix.MNT_DETACH == 0 && (len(m.children) > 0 || m.refs.Load() > 2):
			return unix.EBUSY // one is p's, one its own
		}
		return nil
	}()
	var gone []*Mount
	if err == nil {
		gone = m.subtree(nil)
		for _, x := range gone {
			ns.unlink(x)
		}
	}
	ns.mu.Unlock()
	for _, x := range slices.Backward(gone) {
		x.detached()
	}
	return err
}

// unlink takes m out of the tree; what it held is dropped by detached. ns.mu is
// held.
func (ns *Namespace) unlink(m *Mount) {
	at := place{m.parent, m.point}
	if ns.mu.mounts[at] == m {
		delete(ns.mu.mounts, at)
	}
	m.parent.children = slices.DeleteFunc(slices.Clone(m.parent.children), func(c *Mount) bool { return c == m })
	m.ns = nil
	ns.mu.count--
}

// clone returns a mount of the same as m, at root.
func (m *Mount) clone(root *Dentry) *Mount {
	m.fs.IncRef()
	root.IncRef()
	n := m.env.newMount(m.fs, root, m.source, m.flags.Load())
	n.prop = m.prop
	return n
}

// Bind is mount(2) with MS_BIND: dst becomes what src is.
func (ns *Namespace) Bind(_ current.Task, src, dst Path, recursive bool) error {
	if err := mountable(dst, src.Inode().Type == unix.S_IFDIR); err != nil {
		return err
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if src.Mount.ns != ns || dst.Mount.ns != ns {
		return unix.EINVAL
	}
	n := src.Mount.clone(src.Dentry)
	var below []*Mount
	if recursive {
		for _, c := range src.Mount.children {
			if c.point == src.Dentry || isBelow(c.point, src.Dentry) {
				below = append(below, c)
			}
		}
	}
	ns.attach(n, dst.IncRef().over(ns))
	for _, c := range below {
		ns.copyTree(c, Path{n, c.point})
	}
	return nil
}

// copyTree mounts a copy of m and all below it at p.
func (ns *Namespace) copyTree(m *Mount, p Path) {
	n := m.clone(m.root)
	children := m.children
	ns.attach(n, p.IncRef())
	for _, c := range children {
		ns.copyTree(c, Path{n, c.point})
	}
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

// Remount is mount(2) with MS_REMOUNT: the flags of the mount at p change.
func (ns *Namespace) Remount(_ current.Task, p Path, flags uint64) error {
	if p.Dentry != p.Mount.root || p.Mount.ns != ns {
		return unix.EINVAL
	}
	p.Mount.flags.Store(flags & mountFlags)
	return nil
}

// MoveMount is mount(2) with MS_MOVE.
func (ns *Namespace) MoveMount(_ current.Task, src, dst Path) error {
	if err := mountable(dst, src.Inode().Type == unix.S_IFDIR); err != nil {
		return err
	}
	m := src.Mount
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if m.ns != ns || dst.Mount.ns != ns || src.Dentry != m.root || m == ns.mu.root {
		return unix.EINVAL
	}
	for p := dst.Mount; p != nil; p = p.parent {
		if p == m {
			return unix.ELOOP
		}
	}
	parent, point := m.parent, m.point
	ns.unlink(m)
	ns.attach(m, dst.IncRef().over(ns))
	point.mounted.Add(-1)
	// Under ns.mu no dentry lock may be taken by a last reference: the mount's
	// old place is in use by its own mount.
	defer parent.decRef()
	defer point.DecRef()
	return nil
}

// SetPropagation is mount(2) with MS_SHARED and its like. There is one
// namespace that anybody can see, so nothing propagates; the type is shown.
func (ns *Namespace) SetPropagation(_ current.Task, p Path, flags uint64) error {
	if p.Dentry != p.Mount.root || p.Mount.ns != ns {
		return unix.EINVAL
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ms := []*Mount{p.Mount}
	if flags&unix.MS_REC != 0 {
		ms = p.Mount.subtree(nil)
	}
	for _, m := range ms {
		m.prop = flags & (unix.MS_SHARED | unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_UNBINDABLE)
	}
	return nil
}

// PivotRoot is pivot_root(2): newRoot becomes the root of the namespace, the
// old root goes to putOld. ctx is the caller's, whose root moves with it.
func (ns *Namespace) PivotRoot(_ current.Task, ctx *Context, newRoot, putOld Path) error {
	m := newRoot.Mount
	root := ctx.Root()
	defer root.DecRef()
	ns.mu.Lock()
	old := root.Mount
	under := putOld.Mount == m && (putOld.Dentry == newRoot.Dentry || isBelow(putOld.Dentry, newRoot.Dentry))
	for p := putOld.Mount; !under && p != nil && p.parent != nil; p = p.parent {
		under = p.parent == m
	}
	err := error(nil)
	switch {
	case m == old || putOld.Mount == old:
		err = unix.EBUSY
	case m.ns != ns || newRoot.Dentry != m.root || m.parent == nil || !under || old != ns.mu.root || root.Dentry != old.root:
		err = unix.EINVAL
	}
	if err != nil {
		ns.mu.Unlock()
		return err
	}
	parent, point := m.parent, m.point
	ns.unlink(m)
	m.ns, m.parent, m.point = ns, nil, nil
	ns.mu.count++
	ns.mu.root = m
	ns.mu.count--
	ns.attach(old, putOld.IncRef())
	ns.mu.Unlock()
	point.mounted.Add(-1)
	point.DecRef()
	parent.decRef()
	ctx.SetRoot(newRoot.IncRef())
	return nil
}

// Clone returns a copy of ns for CLONE_NEWNS; ctx, the new task's own, is moved
// to the copies of the mounts that it is in.
func (ns *Namespace) Clone(_ current.Task, ctx *Context) (*Namespace, error) {
	n := &Namespace{env: ns.env}
	n.refs.Store(1)
	n.mu.mounts = map[place]*Mount{}
	copies := map[*Mount]*Mount{}
	ns.mu.RLock()
	var copyBelow func(m, c *Mount)
	copyBelow = func(m, c *Mount) {
		copies[m] = c
		for _, x := range m.children {
			y := x.clone(x.root)
			n.attach(y, Path{c, x.point}.IncRef())
			copyBelow(x, y)
		}
	}
	n.mu.root = ns.mu.root.clone(ns.mu.root.root)
	n.mu.root.ns, n.mu.count = n, 1
	n.id = uint32(n.mu.root.ID) + 0xf0000000
	copyBelow(ns.mu.root, n.mu.root)
	ns.mu.RUnlock()
	ctx.translate(copies)
	return n, nil
}

// MountInfo is a line of /proc/PID/mountinfo.
type MountInfo struct {
	ID, Parent   int32
	Dev          Dev
	Root, Point  string // the subtree that is mounted, and where
	Flags        uint64 // MS_*
	FSType       string
	Source       string
	SuperOptions string
}

// Mounts returns the mounts that can be seen from root, in order of mounting.
func (ns *Namespace) Mounts(root Path) []MountInfo {
	ns.mu.RLock()
	all := ns.mu.root.subtree(nil)
	type at struct {
		m     *Mount
		point Path
		id    int32
	}
	var list []at
	for _, m := range all {
		a := at{m: m, point: Path{m, m.root}.IncRef()}
		if m.parent != nil {
			a.id = m.parent.ID
		}
		list = append(list, a)
	}
	ns.mu.RUnlock()
	var infos []MountInfo
	for _, a := range list {
		name, ok := PathName(a.point, root)
		if ok {
			sub, _ := a.m.root.path(nil)
			infos = append(infos, MountInfo{ID: a.m.ID, Parent: a.id, Dev: a.m.fs.Dev, Root: sub, Point: name, Flags: a.m.flags.Load(),
				FSType: a.m.fs.Type, Source: a.m.source, SuperOptions: a.m.fs.Impl.Options()})
		}
		a.point.DecRef()
	}
	slices.SortStableFunc(infos, func(a, b MountInfo) int { return int(a.ID - b.ID) })
	return infos
}

// Sync writes every file system of the namespace back, sync(2).
func (ns *Namespace) Sync(t current.Task) {
	ns.mu.RLock()
	seen := map[*Filesystem]bool{}
	var list []*Filesystem
	for _, m := range ns.mu.root.subtree(nil) {
		if !seen[m.fs] {
			seen[m.fs] = true
			m.fs.IncRef()
			list = append(list, m.fs)
		}
	}
	ns.mu.RUnlock()
	for _, fs := range list {
		_ = fs.Impl.Sync(t) // sync(2) tells nobody
		fs.DecRef()
	}
}
