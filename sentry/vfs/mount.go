package vfs

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
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
	// writers counts the files that are open for writing, which forbid a
	// remount to read-only.
	writers atomic.Int64
	// ns is the namespace that it is in, nil when it was unmounted. It changes
	// under mu of that namespace, which guards the tree too:
	ns       atomic.Pointer[Namespace]
	parent   *Mount
	point    *Dentry // with a reference, as parent has one of this
	children []*Mount
	prop     uint64 // MS_SHARED, MS_PRIVATE or MS_UNBINDABLE: kept and shown
	peers    int32  // the peer group if it is shared, else 0
}

// Environment is what opening special files needs, and what hands out numbers:
// one a kernel, filled in by boot.
type Environment struct {
	Char, Block map[Dev]Driver
	FIFO        FIFOOpener
	lastMount   atomic.Int32
	lastDev     atomic.Uint32
	lastPeers   atomic.Int32
	lastCookie  atomic.Uint32
	lockWaits   lockWaits
}

// Driver opens a device.
type Driver interface {
	Open(t current.Task, f *File) (FileImpl, error)
}

// FIFOOpener opens named pipes.
type FIFOOpener interface {
	OpenFIFO(t current.Task, f *File, s *Special) (FileImpl, error)
}

// cookie returns a number that ties the two events of a rename together.
func (e *Environment) cookie() uint32 { return e.lastCookie.Add(1) }

// AnonDev returns a device number for a file system without a device (major 0).
func (e *Environment) AnonDev() Dev { return Dev(unix.Mkdev(0, e.lastDev.Add(1)+20)) }

func (e *Environment) newMount(fs *Filesystem, root *Dentry, source string, flags uint64) *Mount {
	m := &Mount{ID: e.lastMount.Add(1) + 20, fs: fs, root: root, source: source, env: e, prop: unix.MS_PRIVATE}
	m.flags.Store(withAtime(flags) & mountFlags)
	m.refs.Store(1)
	return m
}

// withAtime adds what a mount does about access times unless it is told.
func withAtime(flags uint64) uint64 {
	if flags&(unix.MS_NOATIME|unix.MS_STRICTATIME) == 0 {
		flags |= unix.MS_RELATIME
	}
	return flags
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
