package vfs

import (
	"sync/atomic"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// Filesystem is a mounted or mountable instance.
type Filesystem struct {
	Impl FilesystemImpl // immutable
	Type string         // immutable: "tmpfs", as /proc/mounts says
	Dev  Dev            // immutable: st_dev of its inodes
	// Volatile means that names are never cached (proc).
	Volatile bool // immutable
	refs     atomic.Int64
}

// NewFilesystem makes an instance with one reference; dev comes from
// Namespace.NewAnonDev or the file system itself.
func NewFilesystem(impl FilesystemImpl, typ string, dev Dev) *Filesystem { panic("skeleton") }

// Inode is a file. It is made by its file system and counted by vfs.
type Inode struct {
	Impl    InodeImpl   // immutable
	FS      *Filesystem // immutable
	Type    uint32      // immutable: S_IFMT bits
	Ino     uint64      // immutable
	refs    atomic.Int64
	ops     inodeOps // immutable: the optional interfaces that Impl has
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
}

// NewInodeOf returns an inode with one reference, for the caller.
func NewInodeOf(fs *Filesystem, impl InodeImpl, typ uint32, ino uint64) *Inode { panic("skeleton") }

// IncRef adds a reference.
func (i *Inode) IncRef() { panic("skeleton") }

// TryIncRef adds a reference unless the last is gone already: for a file
// system's own table of inodes.
func (i *Inode) TryIncRef() bool { panic("skeleton") }

// DecRef drops one; with the last Impl.Release is called.
func (i *Inode) DecRef() { panic("skeleton") }

// Special is what lives in memory beside an inode: file locks, the pipe of a
// FIFO, the socket that is bound to it.
type Special struct {
	mu    lock.Mutex[lock.Leaf]
	pipe  any // *pipe.Pipe, made by the first open
	bound any // the socket bound to the name
	locks *Locks
}

// Bound returns the socket that bind(2) left here, or nil; SetBound puts it
// there, or takes it away with nil.
func (i *Inode) Bound() any { panic("skeleton") }

// SetBound sets what Bound returns.
func (i *Inode) SetBound(v any) { panic("skeleton") }

// Locks are the advisory locks of an inode: flock, POSIX, OFD.
type Locks struct{}

// Dentry is a name in a directory, or the root of a file system. A negative
// dentry has no inode.
type Dentry struct {
	fs *Filesystem
	// The rest is private: see dentry.go.
}

// Inode returns what the name stands for, nil if the dentry is negative.
func (d *Dentry) Inode() *Inode { panic("skeleton") }

// Path is a place in the tree. The zero Path is none.
type Path struct {
	Mount  *Mount
	Dentry *Dentry
}

// IncRef adds a reference to both parts and returns p.
func (p Path) IncRef() Path { panic("skeleton") }

// DecRef drops them. The zero Path may be dropped.
func (p Path) DecRef() { panic("skeleton") }

// Inode returns the inode of the path.
func (p Path) Inode() *Inode { panic("skeleton") }

// Mount is a file system (or a subtree of one) at a place of a Namespace.
type Mount struct {
	ID int32 // immutable
}

// Namespace is a mount namespace.
type Namespace struct{}

// Context is a task's view: root, working directory, umask (fs_struct). It is
// shared by CLONE_FS.
type Context struct {
	mu        lock.Mutex[lock.FDTable]
	root, cwd Path   // guarded by mu
	umask     uint32 // guarded by mu
	ns        *Namespace
	refs      atomic.Int64
}

// File is an open file description: struct file. The descriptors that share it
// (dup, fork, SCM_RIGHTS) share its offset and flags.
type File struct {
	Path   Path       // immutable; zero for none. Holds references
	Cred   *auth.Cred // immutable: who opened it
	Stream bool       // immutable: offsets mean nothing (ESPIPE)
	impl   FileImpl   // immutable
	flags  atomic.Uint32
	refs   atomic.Int64
	watch  releaseWatch
	owner  fileOwner
	pos    struct {
		lock.Mutex[lock.File]
		off int64
	}
}

// NewFile makes a description of something that was not opened by name, with
// one reference. ino is its inode: see NewAnonInode.
func NewFile(impl FileImpl, path Path, flags uint32, cred *auth.Cred, stream bool) *File {
	panic("skeleton")
}

// Impl returns what the file system made of the open.
func (f *File) Impl() FileImpl { return f.impl }

// Flags returns the open flags, without O_CLOEXEC, O_CREAT, O_EXCL, O_NOCTTY and
// O_TRUNC.
func (f *File) Flags() uint32 { return f.flags.Load() }

// IncRef adds a reference. DecRef drops one and releases the file with the last.
func (f *File) IncRef() { panic("skeleton") }

// DecRef drops a reference. t may be nil where no task is at hand.
func (f *File) DecRef(t current.Task) { panic("skeleton") }

// Read reads at the file's offset and moves it, read(2). It blocks as the
// file's flags say. EBADF if the file is not open for reading.
func (f *File) Read(t current.Task, dst usermem.Buffer) (int64, error) { panic("skeleton") }

// ReadAt is pread(2).
func (f *File) ReadAt(t current.Task, dst usermem.Buffer, off int64) (int64, error) {
	panic("skeleton")
}

// Write writes at the file's offset and moves it, write(2).
func (f *File) Write(t current.Task, src usermem.Buffer) (int64, error) { panic("skeleton") }

// WriteAt is pwrite(2).
func (f *File) WriteAt(t current.Task, src usermem.Buffer, off int64) (int64, error) {
	panic("skeleton")
}

// File implements wait.Waitable by its implementation.
var _ wait.Waitable = (*File)(nil)

// Readiness implements wait.Waitable.
func (f *File) Readiness(m wait.Mask) wait.Mask { return f.impl.Readiness(m) }

// Register implements wait.Waitable.
func (f *File) Register(e *wait.Entry, m wait.Mask) { f.impl.Register(e, m) }

// Unregister implements wait.Waitable.
func (f *File) Unregister(e *wait.Entry) { f.impl.Unregister(e) }
