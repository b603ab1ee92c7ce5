package gofer

import (
	"sync"

	"golang.org/x/sys/unix"

	"hull/gofer/client"
	"hull/gofer/proto"
	"hull/sentry/current"
	"hull/sentry/vfs"
)

// Options say what to serve.
type Options struct {
	Root     int // of the gofer
	ReadOnly bool
	Dev      vfs.Dev
	// Exclusive says that nobody else changes the files: what was learnt of
	// them stays true.
	Exclusive bool
}

// FS is one instance.
type FS struct {
	vfs  *vfs.Filesystem // immutable
	c    *client.Client  `snapshot:"-"`
	opts Options         // immutable
	dev  uint64          // immutable: the root's on the host

	root *inode // immutable

	mu     sync.Mutex // guards inodes; held for moments, and over no other lock
	inodes map[key]*inode
}

// key tells files of the host apart.
type key struct{ dev, ino uint64 }

// New makes an instance. It returns it with its root inode, a reference each.
func New(_ current.Task, c *client.Client, o Options) (*vfs.Filesystem, *vfs.Inode, error) {
	r, err := call(c, &proto.Request{Op: proto.Attach, Fid: uint32(o.Root)})
	if err != nil {
		return nil, nil, err
	}
	fs := &FS{c: c, opts: o, inodes: map[key]*inode{}, dev: r.Nodes[0].Attr.Dev}
	fs.vfs = vfs.NewFilesystem(fs, "gofer", o.Dev)
	fs.vfs.Volatile = !o.Exclusive
	root := fs.inode(&r.Nodes[0])
	fs.root = root.Impl.(hasBase).base()
	return fs.vfs, root, nil
}

// call asks, and checks that an answer with nodes has one.
func call(c *client.Client, r *proto.Request) (*proto.Reply, error) {
	reply, _, err := c.Call(r)
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case proto.Attach, proto.Create, proto.Mkdir, proto.Mknod, proto.Symlink, proto.Link:
		if len(reply.Nodes) != 1 {
			return nil, unix.EIO
		}
	}
	return reply, nil
}

// inode returns the inode of a node with a reference, the same one each time
// as long as it is in use.
func (fs *FS) inode(n *proto.Node) *vfs.Inode {
	k := key{n.Attr.Dev, n.Attr.Ino}
	fs.mu.Lock()
	old := fs.inodes[k]
	if old != nil && old.typ == n.Attr.Mode&unix.S_IFMT && old.node.TryIncRef() {
		fs.mu.Unlock()
		fs.c.Clunk(n.Fid)
		old.learn(&n.Attr)
		return old.node
	}
	i := fs.newInode(n, k)
	fs.inodes[k] = i
	fs.mu.Unlock()
	return i.node
}

// forget takes an inode out of the table.
func (fs *FS) forget(i *inode) {
	fs.mu.Lock()
	if fs.inodes[i.key] == i {
		delete(fs.inodes, i.key)
	}
	fs.mu.Unlock()
}

// ino is the inode number that the guest sees: the host's, with the device
// mixed in where it is not the root's.
func (fs *FS) ino(k key) uint64 {
	if k.dev == fs.dev {
		return k.ino
	}
	const spread = 0x9e3779b97f4a7c15 // of the golden ratio, to mix bits
	return k.ino ^ (k.dev-fs.dev)*spread&^0xff
}

// StatFS implements vfs.FilesystemImpl.
func (fs *FS) StatFS(current.Task) (unix.Statfs_t, error) {
	r, err := call(fs.c, &proto.Request{Op: proto.Statfs, Fid: fs.root.fid})
	if err != nil {
		return unix.Statfs_t{}, err
	}
	s := &r.Statfs
	return unix.Statfs_t{Type: s.Type, Bsize: s.Bsize, Namelen: s.Namelen, Frsize: s.Frsize, Blocks: s.Blocks,
		Bfree: s.Bfree, Bavail: s.Bavail, Files: s.Files, Ffree: s.Ffree}, nil
}

// Sync implements vfs.FilesystemImpl. Writes are in the host's hands already.
func (fs *FS) Sync(current.Task) error { return nil }

// Options implements vfs.FilesystemImpl.
func (fs *FS) Options() string { return "" }

// Release implements vfs.FilesystemImpl.
func (fs *FS) Release() {}
