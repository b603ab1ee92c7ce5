package tmpfs

import (
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// inode is what every file has. It implements most of vfs.InodeImpl.
type inode struct {
	fs   *FS        // immutable
	node *vfs.Inode // immutable: it holds this
	typ  uint32     // immutable: S_IFMT bits
	ino  uint64     // immutable
	rdev vfs.Dev    // immutable

	mu struct {
		lock.Mutex[lock.Inode]
		perm                       uint32
		uid, gid                   uint32
		nlink                      uint32
		atime, mtime, ctime, btime vfs.Time
		xattrs                     map[string][]byte
		xattrBytes                 int
	}
}

// maxXattrs bounds the attributes of one inode, in bytes with their names.
const maxXattrs = 128 << 10

func (i *inode) init(fs *FS, impl vfs.InodeImpl, n vfs.NewInode) {
	i.fs, i.typ, i.ino, i.rdev = fs, n.Mode&unix.S_IFMT, fs.lastIno.Add(1), n.Dev
	i.mu.perm, i.mu.uid, i.mu.gid, i.mu.nlink = n.Mode&07777, n.UID, n.GID, 1
	t := now()
	i.mu.atime, i.mu.mtime, i.mu.ctime, i.mu.btime = t, t, t, t
	i.node = vfs.NewInodeOf(fs.vfs, impl, i.typ, i.ino)
}

// stat returns the attributes but for size and blocks.
func (i *inode) stat() vfs.Stat {
	i.mu.Lock()
	defer i.mu.Unlock()
	return vfs.Stat{
		Mask: unix.STATX_BASIC_STATS | unix.STATX_BTIME, Mode: i.typ | i.mu.perm, Nlink: i.mu.nlink, UID: i.mu.uid, GID: i.mu.gid,
		Ino: i.ino, BlockSize: pageSize, Dev: i.fs.vfs.Dev, Rdev: i.rdev,
		Atime: i.mu.atime, Mtime: i.mu.mtime, Ctime: i.mu.ctime, Btime: i.mu.btime,
	}
}

// Stat implements vfs.InodeImpl.
func (i *inode) Stat(current.Task) (vfs.Stat, error) { return i.stat(), nil }

// SetStat implements vfs.InodeImpl; a size is regular's affair.
func (i *inode) SetStat(_ current.Task, s vfs.SetStat) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	t := now()
	i.mu.ctime = t
	if s.Mask&vfs.SetMode != 0 {
		i.mu.perm = s.Mode & 07777
	}
	if s.Mask&(vfs.SetUID|vfs.SetGID|vfs.SetSize) != 0 {
		i.dropCaps()
	}
	if s.Mask&vfs.SetUID != 0 {
		i.mu.uid = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		i.mu.gid = s.GID
	}
	if s.Mask&vfs.SetAtime != 0 {
		i.mu.atime = s.Atime
		if s.Mask&vfs.SetAtimeNow != 0 {
			i.mu.atime = t
		}
	}
	if s.Mask&vfs.SetMtime != 0 {
		i.mu.mtime = s.Mtime
		if s.Mask&vfs.SetMtimeNow != 0 {
			i.mu.mtime = t
		}
	}
	return nil
}

// Open implements vfs.InodeImpl for what vfs opens by itself: devices, FIFOs.
func (i *inode) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return nil, unix.ENXIO }

// Release implements vfs.InodeImpl.
func (i *inode) Release() { i.fs.inodes.Add(-1) }

// link changes the number of names by n.
func (i *inode) link(n int32) {
	i.mu.Lock()
	i.mu.nlink = uint32(int32(i.mu.nlink) + n)
	i.mu.ctime = now()
	i.mu.Unlock()
}

func (i *inode) modified() {
	i.mu.Lock()
	t := now()
	i.mu.mtime, i.mu.ctime = t, t
	i.mu.Unlock()
}

// base gives the inode of any file of this package.
func (i *inode) base() *inode { return i }

type hasBase interface{ base() *inode }

var _ vfs.Xattrs = (*inode)(nil)

// GetXattr implements vfs.Xattrs.
func (i *inode) GetXattr(_ current.Task, name string) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	v, ok := i.mu.xattrs[name]
	if !ok {
		return nil, unix.ENODATA
	}
	return slices.Clone(v), nil
}

// SetXattr implements vfs.Xattrs.
func (i *inode) SetXattr(_ current.Task, name string, value []byte, flags int32) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	old, ok := i.mu.xattrs[name]
	switch {
	case flags&unix.XATTR_CREATE != 0 && ok:
		return unix.EEXIST
	case flags&unix.XATTR_REPLACE != 0 && !ok:
		return unix.ENODATA
	}
	size := i.mu.xattrBytes + len(value) - len(old)
	if !ok {
		size += len(name)
	}
	if size > maxXattrs {
		return unix.ENOSPC
	}
	if i.mu.xattrs == nil {
		i.mu.xattrs = map[string][]byte{}
	}
	i.mu.xattrs[name], i.mu.xattrBytes, i.mu.ctime = slices.Clone(value), size, now()
	return nil
}

// ListXattr implements vfs.Xattrs.
func (i *inode) ListXattr(current.Task) ([]string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var ns []string
	for n := range i.mu.xattrs {
		ns = append(ns, n)
	}
	slices.Sort(ns)
	return ns, nil
}

// RemoveXattr implements vfs.Xattrs.
func (i *inode) RemoveXattr(_ current.Task, name string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	v, ok := i.mu.xattrs[name]
	if !ok {
		return unix.ENODATA
	}
	delete(i.mu.xattrs, name)
	i.mu.xattrBytes -= len(v) + len(name)
	i.mu.ctime = now()
	return nil
}

// dropCaps takes the file's capabilities away, as a write and a change of owner
// do. mu is held.
func (i *inode) dropCaps() {
	const name = "security.capability"
	if v, ok := i.mu.xattrs[name]; ok {
		delete(i.mu.xattrs, name)
		i.mu.xattrBytes -= len(v) + len(name)
	}
}

// accessed notes a read through f. Where a writer is at work the time stays:
// that of the write is younger anyway.
func (i *inode) accessed(f *vfs.File) {
	if !i.mu.TryLock() {
		return
	}
	defer i.mu.Unlock()
	s := vfs.Stat{Mode: i.typ, Atime: i.mu.atime, Mtime: i.mu.mtime, Ctime: i.mu.ctime}
	if t := now(); f.TouchesAtime(&s, t) {
		i.mu.atime = t
	}
}

// symlink is a symbolic link.
type symlink struct {
	inode
	target string // immutable
}

// Stat implements vfs.InodeImpl.
func (s *symlink) Stat(current.Task) (vfs.Stat, error) {
	st := s.stat()
	st.Size = int64(len(s.target))
	return st, nil
}

// Readlink implements vfs.Readlinker.
func (s *symlink) Readlink(current.Task) (string, error) { return s.target, nil }

// special is a FIFO, a socket or a device node.
type special struct{ inode }
