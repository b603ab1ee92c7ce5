package gofer

import (
	"golang.org/x/sys/unix"

	"hull/gofer/proto"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// inode is what every file has.
type inode struct {
	fs   *FS        // immutable
	node *vfs.Inode // immutable: it holds this
	key  key        // immutable
	fid  uint32     // immutable
	typ  uint32     // immutable: S_IFMT bits
	ino  uint64     // immutable

	mu struct {
		lock.Mutex[lock.Inode]
		attr proto.Attr
		caps *fileCaps // what is known of the file's capabilities, in an exclusive mount; or nil
	}
}

// fileCaps is an answer about security.capability, which each execve asks for.
type fileCaps struct {
	value []byte
	err   error // ENODATA or EOPNOTSUPP
}

const capsName = "security.capability"

type hasBase interface{ base() *inode }

func (i *inode) base() *inode { return i }

// newInode makes the inode of a node. fs.mu is held.
func (fs *FS) newInode(n *proto.Node, k key) *inode {
	typ := n.Attr.Mode & unix.S_IFMT
	var impl interface {
		vfs.InodeImpl
		hasBase
	}
	switch typ {
	case unix.S_IFDIR:
		impl = &dir{}
	case unix.S_IFREG:
		impl = &regular{fixedSize: n.Attr.Size}
	case unix.S_IFLNK:
		impl = &symlink{}
	default:
		impl = &special{}
	}
	i := impl.base()
	i.fs, i.key, i.fid, i.typ, i.ino = fs, k, n.Fid, typ, fs.ino(k)
	i.mu.attr = n.Attr
	i.node = vfs.NewInodeOf(fs.vfs, impl, typ, i.ino)
	return i
}

// learn takes attributes that the gofer told. What the sentry has changed since
// through a donated descriptor is newer in an exclusive mount: the gofer's answer
// is still the host's own truth, since writes go straight there.
func (i *inode) learn(a *proto.Attr) {
	i.mu.Lock()
	i.mu.attr = *a
	i.mu.Unlock()
}

// attr returns the attributes, asked for again if somebody else may have
// changed them.
func (i *inode) attr() (proto.Attr, error) {
	if !i.fs.opts.Exclusive {
		r, err := call(i.fs.c, &proto.Request{Op: proto.Getattr, Fid: i.fid})
		if err != nil {
			return proto.Attr{}, err
		}
		i.learn(&r.Attr)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.mu.attr, nil
}

// changed notes that the attributes are no longer what was told.
func (i *inode) changed() {
	if r, err := call(i.fs.c, &proto.Request{Op: proto.Getattr, Fid: i.fid}); err == nil {
		i.learn(&r.Attr)
	}
}

// Stat implements vfs.InodeImpl.
func (i *inode) Stat(current.Task) (vfs.Stat, error) {
	a, err := i.attr()
	if err != nil {
		return vfs.Stat{}, err
	}
	t := func(t proto.Time) vfs.Time { return vfs.Time{Sec: t.Sec, Nsec: int32(t.Nsec)} }
	return vfs.Stat{
		Mask: unix.STATX_BASIC_STATS | unix.STATX_BTIME, Mode: i.typ | a.Mode&07777, Nlink: a.Nlink, UID: a.UID, GID: a.GID,
		Ino: i.ino, Size: a.Size, Blocks: a.Blocks, BlockSize: a.BlockSize, Dev: i.fs.opts.Dev, Rdev: vfs.Dev(a.Rdev),
		Atime: t(a.Atime), Mtime: t(a.Mtime), Ctime: t(a.Ctime), Btime: t(a.Btime),
	}, nil
}

// SetStat implements vfs.InodeImpl.
func (i *inode) SetStat(_ current.Task, s vfs.SetStat) error {
	defer i.forgetCaps() // the host takes them from a file that changes hands
	if i.fs.opts.ReadOnly {
		return unix.EROFS
	}
	t := func(t vfs.Time) proto.Time { return proto.Time{Sec: t.Sec, Nsec: uint32(t.Nsec)} }
	r, err := call(i.fs.c, &proto.Request{Op: proto.Setattr, Fid: i.fid, Mask: uint32(s.Mask), Mode: s.Mode, UID: s.UID, GID: s.GID,
		Size: s.Size, Atime: t(s.Atime), Mtime: t(s.Mtime)})
	if err != nil {
		return err
	}
	i.learn(&r.Attr)
	return nil
}

// Release implements vfs.InodeImpl.
func (i *inode) Release() {
	i.fs.forget(i)
	i.fs.c.Clunk(i.fid)
}

// Open implements vfs.InodeImpl for what is neither file nor directory.
func (i *inode) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return nil, unix.ENXIO }

var (
	_ vfs.Xattrs      = (*inode)(nil)
	_ vfs.Revalidator = (*inode)(nil)
)

// Valid implements vfs.Revalidator: whether the name still leads here.
func (i *inode) Valid(_ current.Task, parent *vfs.Inode, name string) bool {
	if i.fs.opts.Exclusive {
		return true
	}
	p := parent.Impl.(hasBase).base()
	r, _, err := i.fs.c.Call(&proto.Request{Op: proto.Walk, Fid: p.fid, Names: []string{name}})
	if err != nil || len(r.Nodes) != 1 {
		return false
	}
	n := &r.Nodes[0]
	i.fs.c.Clunk(n.Fid)
	if n.Attr.Dev != i.key.dev || n.Attr.Ino != i.key.ino || n.Attr.Mode&unix.S_IFMT != i.typ {
		return false
	}
	i.learn(&n.Attr)
	return true
}

// GetXattr implements vfs.Xattrs.
func (i *inode) GetXattr(_ current.Task, name string) ([]byte, error) {
	if i.typ != unix.S_IFREG && i.typ != unix.S_IFDIR {
		return nil, unix.EOPNOTSUPP
	}
	keep := name == capsName && i.fs.opts.Exclusive
	if keep {
		i.mu.Lock()
		known := i.mu.caps
		i.mu.Unlock()
		if known != nil {
			return known.value, known.err
		}
	}
	r, err := call(i.fs.c, &proto.Request{Op: proto.GetXattr, Fid: i.fid, Name: name})
	if err != nil && err != unix.ENODATA && err != unix.EOPNOTSUPP {
		return nil, err
	}
	var value []byte
	if err == nil {
		value = r.Value
	}
	if keep {
		i.mu.Lock()
		i.mu.caps = &fileCaps{value, err}
		i.mu.Unlock()
	}
	return value, err
}

// forgetCaps is for when the file's attributes change.
func (i *inode) forgetCaps() {
	i.mu.Lock()
	i.mu.caps = nil
	i.mu.Unlock()
}

// SetXattr implements vfs.Xattrs.
func (i *inode) SetXattr(_ current.Task, name string, value []byte, flags int32) error {
	if len(value) > proto.MaxValue {
		return unix.ENOSPC
	}
	defer i.forgetCaps()
	_, err := call(i.fs.c, &proto.Request{Op: proto.SetXattr, Fid: i.fid, Name: name, Value: value, Flags: uint32(flags)})
	return err
}

// ListXattr implements vfs.Xattrs.
func (i *inode) ListXattr(current.Task) ([]string, error) {
	if i.typ != unix.S_IFREG && i.typ != unix.S_IFDIR {
		return nil, nil
	}
	r, err := call(i.fs.c, &proto.Request{Op: proto.ListXattr, Fid: i.fid})
	if err != nil {
		return nil, err
	}
	return r.Names, nil
}

// RemoveXattr implements vfs.Xattrs.
func (i *inode) RemoveXattr(_ current.Task, name string) error {
	defer i.forgetCaps()
	_, err := call(i.fs.c, &proto.Request{Op: proto.RemoveXattr, Fid: i.fid, Name: name})
	return err
}

// symlink is a symbolic link. Its target never changes.
type symlink struct {
	inode
	target string // guarded by mu; "" before it was asked for
}

// Readlink implements vfs.Readlinker.
func (s *symlink) Readlink(current.Task) (string, error) {
	s.mu.Lock()
	target := s.target
	s.mu.Unlock()
	if target != "" {
		return target, nil
	}
	r, err := call(s.fs.c, &proto.Request{Op: proto.Readlink, Fid: s.fid})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.target = r.Target
	s.mu.Unlock()
	return r.Target, nil
}

// special is a FIFO, a socket or a device node.
type special struct{ inode }
