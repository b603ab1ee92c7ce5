// Package nsfs has the files that stand for namespaces: what /proc/PID/ns leads
// to, namespaces(7). A namespace lives at least as long as one of its files is
// open or mounted somewhere.
//
//   - It owns the inodes; which namespace is whose, and what joining one means, is
//     the kernel's.
//   - Two files of one namespace are equal by device and inode number.
package nsfs

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// FS is where the files of one kernel's namespaces are.
type FS struct {
	fs   *vfs.Filesystem
	anon *vfs.AnonFS
}

// New returns the one of a kernel whose files without a name anon has.
func New(anon *vfs.AnonFS, dev vfs.Dev) *FS {
	fs := &FS{anon: anon}
	fs.fs = vfs.NewFilesystem(fs, "nsfs", dev)
	fs.fs.Nameless = true
	return fs
}

// Path returns the path of a namespace's file, with references. It takes over n.
func (fs *FS) Path(n *kernel.Namespace) vfs.Path {
	i := &inode{fs: fs, ns: n}
	return fs.anon.PathOf(vfs.NewInodeOf(fs.fs, i, unix.S_IFREG, uint64(n.ID)), Name(n.Kind, n.ID))
}

// Name is what a link in /proc/PID/ns says.
func Name(kind string, id uint32) string { return fmt.Sprintf("%s:[%d]", kind, id) }

// Of returns the namespace that an open file is of, borrowed, or nil.
func Of(f *vfs.File) *kernel.Namespace {
	if x, ok := f.Impl().(*file); ok {
		return x.i.ns
	}
	return nil
}

// StatFS implements vfs.FilesystemImpl.
func (*FS) StatFS(current.Task) (unix.Statfs_t, error) {
	return unix.Statfs_t{Type: unix.NSFS_MAGIC, Bsize: 4096, Frsize: 4096, Namelen: 255}, nil
}

// Sync implements vfs.FilesystemImpl.
func (*FS) Sync(current.Task) error { return nil }

// Options implements vfs.FilesystemImpl.
func (*FS) Options() string { return "" }

// Release implements vfs.FilesystemImpl.
func (*FS) Release() {}

type inode struct {
	fs *FS
	ns *kernel.Namespace // held
}

var _ vfs.InodeImpl = (*inode)(nil)

// String is its name as /proc/PID/fd shows it.
func (i *inode) String() string { return Name(i.ns.Kind, i.ns.ID) }

// Stat implements vfs.InodeImpl.
func (i *inode) Stat(current.Task) (vfs.Stat, error) {
	return vfs.Stat{Mask: unix.STATX_BASIC_STATS, Mode: unix.S_IFREG | 0o444, Nlink: 1, Ino: uint64(i.ns.ID), BlockSize: 4096, Dev: i.fs.fs.Dev}, nil
}

// SetStat implements vfs.InodeImpl.
func (*inode) SetStat(current.Task, vfs.SetStat) error { return unix.EPERM }

// Open implements vfs.InodeImpl.
func (i *inode) Open(_ current.Task, f *vfs.File) (vfs.FileImpl, error) {
	if f.Flags()&unix.O_ACCMODE != unix.O_RDONLY {
		return nil, unix.EPERM
	}
	return &file{i: i}, nil
}

// Release implements vfs.InodeImpl.
func (i *inode) Release() { i.ns.Release() }

// file is an open one. Its path keeps the inode.
type file struct {
	vfs.AlwaysReady
	i *inode
}

// Read implements vfs.FileImpl.
func (*file) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EINVAL
}

// Write implements vfs.FileImpl.
func (*file) Write(current.Task, *vfs.File, usermem.Buffer, int64) (int64, int64, error) {
	return 0, 0, unix.EINVAL
}

// The ioctls of namespaces, ioctl_ns(2).
const (
	getUserNS   = 0xb701
	getParent   = 0xb702
	getType     = 0xb703
	getOwnerUID = 0xb704
)

// Ioctl implements vfs.FileImpl.
func (x *file) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	n := x.i.ns
	switch cmd {
	case getType:
		return uintptr(n.Flag()), nil
	case getOwnerUID:
		kt, ok := t.(*kernel.Task)
		if n.Kind != "user" || !ok {
			return 0, unix.EINVAL
		}
		uid := n.OwnerUID(kt.Kernel())
		return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &uid)
	case getParent:
		if n.Kind != "user" && n.Kind != "pid" {
			return 0, unix.EINVAL
		}
		return 0, unix.EPERM // out of the caller's scope, as that of the first one is
	case getUserNS:
		t.Note("hull gives no descriptors of user namespaces")
		return 0, unix.EPERM
	}
	return 0, unix.ENOTTY
}

// Release implements vfs.FileImpl.
func (*file) Release(current.Task, *vfs.File) {}
