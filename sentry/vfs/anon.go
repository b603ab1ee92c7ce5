package vfs

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
)

// AnonFS is the file system whose inodes anonymous files have: one a kernel.
type AnonFS struct {
	fs    *Filesystem
	mount *Mount
	last  atomic.Uint64
}

// NewAnonFS returns it.
func NewAnonFS(env *Environment) *AnonFS {
	a := &AnonFS{}
	a.fs = NewFilesystem(a, "anon_inodefs", env.AnonDev())
	root := NewInodeOf(a.fs, &anonInode{fs: a, mode: unix.S_IFDIR}, unix.S_IFDIR, 1)
	a.last.Store(1)
	a.mount = env.newMount(a.fs, newRoot(a.fs, root), "", unix.MS_NOSUID)
	return a
}

// StatFS implements FilesystemImpl.
func (a *AnonFS) StatFS(current.Task) (unix.Statfs_t, error) {
	return unix.Statfs_t{Type: unix.ANON_INODE_FS_MAGIC, Bsize: 4096, Frsize: 4096, Namelen: nameMax}, nil
}

// Sync implements FilesystemImpl.
func (a *AnonFS) Sync(current.Task) error { return nil }

// Options implements FilesystemImpl.
func (a *AnonFS) Options() string { return "" }

// Release implements FilesystemImpl.
func (a *AnonFS) Release() {}

// Reopener is the FileImpl of an anonymous file that can be opened again by
// /proc/self/fd/N.
type Reopener interface {
	Reopen(t current.Task, f *File) (FileImpl, error)
}

// Statter is the FileImpl of an anonymous file that knows its own attributes.
type Statter interface {
	FileStat(t current.Task) (Stat, error)
}

// anonInode is the inode of a file without a name.
type anonInode struct {
	fs   *AnonFS // immutable
	mode uint32  // immutable: type and permission
	name string  // immutable: as /proc/PID/fd shows it, without number
	ino  uint64  // immutable
	impl FileImpl

	mu       lock.Mutex[lock.Inode]
	uid, gid uint32 // guarded by mu
	perm     uint32 // guarded by mu
	times    Time   // guarded by mu
}

// String is the name as /proc/PID/fd shows it.
func (i *anonInode) String() string {
	switch i.name {
	case "pipe", "socket":
		return i.name + ":[" + itoa(i.ino) + "]"
	}
	return i.name
}

// magic is the file system that Linux has such a file on (linux/magic.h).
func (i *anonInode) magic() int64 {
	switch i.name {
	case "pipe":
		return unix.PIPEFS_MAGIC
	case "socket":
		return unix.SOCKFS_MAGIC
	}
	if n, ok := i.impl.(Numbered); ok {
		return n.Magic()
	}
	return unix.ANON_INODE_FS_MAGIC
}

// Numbered is implemented by what is one thing however often it is opened, and on
// Linux on a file system of its own.
type Numbered interface {
	// InodeNumber is that of the thing.
	InodeNumber() uint64
	// Magic is the file system's (linux/magic.h).
	Magic() int64
}

// numbered is added to the numbers of such, which then are not those of others.
const numbered = 1 << 48

// Stat implements InodeImpl.
func (i *anonInode) Stat(t current.Task) (Stat, error) {
	if s, ok := i.impl.(Statter); ok {
		return s.FileStat(t)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return Stat{Mask: unix.STATX_BASIC_STATS, Mode: i.mode&unix.S_IFMT | i.perm, Nlink: 1, UID: i.uid, GID: i.gid, Ino: i.ino,
		BlockSize: 4096, Dev: i.fs.fs.Dev, Atime: i.times, Mtime: i.times, Ctime: i.times}, nil
}

// SetStat implements InodeImpl.
func (i *anonInode) SetStat(_ current.Task, s SetStat) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s.Mask&SetMode != 0 {
		i.perm = s.Mode & 07777
	}
	if s.Mask&SetUID != 0 {
		i.uid = s.UID
	}
	if s.Mask&SetGID != 0 {
		i.gid = s.GID
	}
	return nil
}

// Open implements InodeImpl: opening it again by its descriptor's link.
func (i *anonInode) Open(t current.Task, f *File) (FileImpl, error) {
	if r, ok := i.impl.(Reopener); ok {
		return r.Reopen(t, f)
	}
	return nil, unix.ENXIO
}

// Release implements InodeImpl.
func (i *anonInode) Release() {}

// Anonymous returns a description of something without a name in any tree
// (pipe:[12], anon_inode:[eventpoll], socket:[7]); fstat works on it. name is
// "pipe", "socket", or the whole name.
func Anonymous(ns *AnonFS, impl FileImpl, name string, mode uint32, flags uint32, cred *auth.Cred, stream bool) *File {
	f := NewFile(impl, ns.Path(impl, name, mode, cred), flags, cred, stream)
	f.flags.Store(f.flags.Load() | flags&unix.O_EXCL) // a pidfd's PIDFD_THREAD, which stays
	return f
}

// Path returns the path of a new anonymous inode, with references: for files
// that share one (the two ends of a pipe).
func (ns *AnonFS) Path(impl FileImpl, name string, mode uint32, cred *auth.Cred) Path {
	now := time.Now()
	i := &anonInode{fs: ns, mode: mode, perm: mode & 07777, name: name, impl: impl,
		uid: cred.FSUID, gid: cred.FSGID, times: Time{now.Unix(), int32(now.Nanosecond())}}
	if n, ok := impl.(Numbered); ok {
		i.ino = numbered + n.InodeNumber()
	} else {
		i.ino = ns.last.Add(1)
	}
	d := newDetached(ns.fs, NewInodeOf(ns.fs, i, mode&unix.S_IFMT, i.ino), name)
	ns.mount.incRef()
	return Path{ns.mount, d}
}

// PathOf returns a path for an inode that is in no directory (a memfd), with
// references; i's is taken over.
func (ns *AnonFS) PathOf(i *Inode, name string) Path {
	ns.mount.incRef()
	return Path{ns.mount, newDetached(i.FS, i, name)}
}
