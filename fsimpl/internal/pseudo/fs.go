package pseudo

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// FS is one instance of a pseudo file system.
type FS struct {
	// VFS is what its inodes belong to. Immutable once Init returned.
	VFS     *vfs.Filesystem
	magic   int64  // immutable: f_type of statfs
	options string // immutable: what /proc/mounts shows
	born    vfs.Time
	lastIno atomic.Uint64

	// Fresh says that a file that was not read yet has news to poll(2), as sysfs has
	// it. It is set before the instance is mounted.
	Fresh bool
	// OnRelease, if not nil, is called when nothing of the instance is in use
	// any more. It is set before the instance is mounted.
	OnRelease func() `snapshot:"-"`
}

// New returns an instance of type typ with statfs magic. volatile says that
// names may come and go by themselves.
func New(typ string, magic int64, dev vfs.Dev, volatile bool, options string) *FS {
	fs := &FS{magic: magic, options: options, born: now()}
	fs.VFS = vfs.NewFilesystem(fs, typ, dev)
	fs.VFS.Volatile = volatile
	return fs
}

// NextIno returns an inode number that was not used before.
func (fs *FS) NextIno() uint64 { return fs.lastIno.Add(1) }

// StatFS implements vfs.FilesystemImpl.
func (fs *FS) StatFS(current.Task) (unix.Statfs_t, error) {
	return unix.Statfs_t{Type: fs.magic, Bsize: 4096, Frsize: 4096, Namelen: 255}, nil
}

// Sync implements vfs.FilesystemImpl.
func (fs *FS) Sync(current.Task) error { return nil }

// Options implements vfs.FilesystemImpl.
func (fs *FS) Options() string { return fs.options }

// Release implements vfs.FilesystemImpl.
func (fs *FS) Release() {
	if fs.OnRelease != nil {
		fs.OnRelease()
	}
}

// Owner says who owns a file whose owner is not fixed (/proc/PID).
type Owner interface {
	Owner() (uid, gid uint32)
}

// attrs are what every pseudo inode has. It implements most of vfs.InodeImpl.
type attrs struct {
	fs    *FS    // immutable
	ino   uint64 // immutable
	typ   uint32 // immutable: S_IFMT bits
	owner Owner  // immutable: nil if uid and gid hold

	mu       lock.Mutex[lock.Inode]
	perm     uint32   // guarded by mu
	uid, gid uint32   // guarded by mu
	changed  vfs.Time // guarded by mu
}

func (fs *FS) attrs(mode uint32, owner Owner) attrs {
	return fs.attrsIno(mode, owner, fs.NextIno())
}

func (fs *FS) attrsIno(mode uint32, owner Owner, ino uint64) attrs {
	return attrs{fs: fs, ino: ino, typ: mode & unix.S_IFMT, perm: mode & 07777, owner: owner, changed: fs.born}
}

// inode wraps impl, which a embedded.
func (a *attrs) inode(impl vfs.InodeImpl) *vfs.Inode {
	return vfs.NewInodeOf(a.fs.VFS, impl, a.typ, a.ino)
}

func (a *attrs) stat(nlink uint32, size int64) vfs.Stat {
	a.mu.Lock()
	s := vfs.Stat{
		Mask: unix.STATX_BASIC_STATS, Mode: a.typ | a.perm, Nlink: nlink, UID: a.uid, GID: a.gid,
		Ino: a.ino, Size: size, BlockSize: 4096, Dev: a.fs.VFS.Dev,
		Atime: a.changed, Mtime: a.changed, Ctime: a.changed,
	}
	a.mu.Unlock()
	if a.owner != nil {
		s.UID, s.GID = a.owner.Owner()
	}
	return s
}

// SetStat implements vfs.InodeImpl. A size is taken without effect, as writing
// with O_TRUNC to a sysctl file asks for it.
func (a *attrs) SetStat(_ current.Task, s vfs.SetStat) error {
	if a.owner != nil && s.Mask&(vfs.SetMode|vfs.SetUID|vfs.SetGID) != 0 {
		return unix.EPERM
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Mask&vfs.SetMode != 0 {
		a.perm = s.Mode & 07777
	}
	if s.Mask&vfs.SetUID != 0 {
		a.uid = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		a.gid = s.GID
	}
	if s.Mask != vfs.SetSize {
		a.changed = now()
	}
	return nil
}

// Release implements vfs.InodeImpl.
func (a *attrs) Release() {}

func now() vfs.Time {
	t := time.Now()
	return vfs.Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())}
}
