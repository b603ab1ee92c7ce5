package overlay

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// Layer is one of the two file systems. Its references are taken over.
type Layer struct {
	FS   *vfs.Filesystem
	Root *vfs.Inode
}

// Options say what to lay over what.
type Options struct {
	Dev          vfs.Dev
	Upper, Lower Layer
}

// FS is one instance.
type FS struct {
	vfs  *vfs.Filesystem // immutable
	opts Options         // immutable

	mu struct {
		lock.Mutex[lock.Leaf]
		// inodes are those in use, by the inode of the layer that they began
		// with, and by the upper one when they were copied up.
		inodes map[*vfs.Inode]*inode
	}
}

// upperIno is added to inode numbers of the upper layer, so that they are not
// those of the lower one.
const upperIno = 1 << 40

// New makes an instance. It returns it with its root inode, a reference each.
func New(_ current.Task, o Options) (*vfs.Filesystem, *vfs.Inode, error) {
	if o.Upper.Root.Type != unix.S_IFDIR || o.Lower.Root.Type != unix.S_IFDIR {
		return nil, nil, unix.ENOTDIR
	}
	fs := &FS{opts: o}
	fs.mu.inodes = map[*vfs.Inode]*inode{}
	fs.vfs = vfs.NewFilesystem(fs, "overlay", o.Dev)
	return fs.vfs, fs.inode(o.Upper.Root, o.Lower.Root, nil, ""), nil
}

// inode returns the overlay's inode of what the layers have at a name, with a
// reference; those of upper and lower (either may be nil) are taken over. parent
// and name say where it was found.
func (fs *FS) inode(upper, lower *vfs.Inode, parent *inode, name string) *vfs.Inode {
	k := upper
	if k == nil {
		k = lower
	}
	fs.mu.Lock()
	if old := fs.mu.inodes[k]; old != nil && old.node.TryIncRef() {
		fs.mu.Unlock()
		for _, i := range []*vfs.Inode{upper, lower} {
			if i != nil {
				i.DecRef()
			}
		}
		return old.node
	}
	i := fs.newInode(upper, lower, k)
	if parent != nil {
		parent.node.IncRef()
		i.parent, i.name = parent, name
	}
	fs.mu.inodes[k] = i
	fs.mu.Unlock()
	return i.node
}

func (fs *FS) newInode(upper, lower, k *vfs.Inode) *inode {
	i := &inode{fs: fs, key: k, lower: lower, typ: k.Type}
	i.upper.Store(upper)
	i.ino = k.Ino
	switch {
	case lower != nil:
		i.ino = lower.Ino
	default:
		i.ino += upperIno
	}
	var impl vfs.InodeImpl = i
	switch k.Type {
	case unix.S_IFDIR:
		impl = &dir{i}
	case unix.S_IFLNK:
		impl = &symlink{i}
	}
	i.node = vfs.NewInodeOf(fs.vfs, impl, k.Type, i.ino)
	return i
}

// alias makes an inode that was copied up be found by its upper one too.
func (fs *FS) alias(i *inode, upper *vfs.Inode) {
	fs.mu.Lock()
	fs.mu.inodes[upper] = i
	fs.mu.Unlock()
}

// forget takes an inode out of the table.
func (fs *FS) forget(i *inode) {
	fs.mu.Lock()
	for _, k := range []*vfs.Inode{i.key, i.upper.Load()} {
		if k != nil && fs.mu.inodes[k] == i {
			delete(fs.mu.inodes, k)
		}
	}
	fs.mu.Unlock()
}

// StatFS implements vfs.FilesystemImpl: what can be written is the upper
// layer's.
func (fs *FS) StatFS(t current.Task) (unix.Statfs_t, error) {
	s, err := fs.opts.Upper.FS.Impl.StatFS(t)
	if err != nil {
		return s, err
	}
	if s.Blocks == 0 { // memory without a limit of its own: the lower one's size
		s, err = fs.opts.Lower.FS.Impl.StatFS(t)
	}
	s.Type = unix.OVERLAYFS_SUPER_MAGIC
	return s, err
}

// Sync implements vfs.FilesystemImpl.
func (fs *FS) Sync(t current.Task) error { return fs.opts.Upper.FS.Impl.Sync(t) }

// Options implements vfs.FilesystemImpl.
func (fs *FS) Options() string { return "" }

// Release implements vfs.FilesystemImpl.
func (fs *FS) Release() {
	fs.opts.Upper.FS.DecRef()
	fs.opts.Lower.FS.DecRef()
}
