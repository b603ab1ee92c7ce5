package mqueue

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/limits"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// FS is the queues of an IPC namespace.
type FS struct {
	vfs     *vfs.Filesystem  // immutable
	limits  *ipc.QueueLimits // immutable
	root    *dir             // immutable
	all     *Budget          // immutable
	lastIno atomic.Uint64
	queues  atomic.Int64
}

// Budget is what the queues of all namespaces of a kernel take together.
type Budget struct {
	held  atomic.Int64 // bytes of messages
	users struct {
		lock.Mutex[lock.Leaf]
		bytes map[uint32]uint64 // that each user's queues count, RLIMIT_MSGQUEUE
	}
}

// NewBudget returns one of which nothing is taken.
func NewBudget() *Budget {
	b := &Budget{}
	b.users.bytes = map[uint32]uint64{}
	return b
}

// maxHeld bounds the messages of all queues, whatever limits the guest's root
// sets: they lie in the sentry's own memory.
const maxHeld = 128 << 20

// New returns the queues of a namespace: none yet.
func New(l *ipc.QueueLimits, all *Budget, dev vfs.Dev) *FS {
	fs := &FS{limits: l, all: all}
	fs.vfs = vfs.NewFilesystem(fs, "mqueue", dev)
	// Several mounts have each their own dentries of the one directory: no name
	// is remembered longer than it is used.
	fs.vfs.Volatile = true
	fs.root = fs.newDir()
	return fs
}

// VFS returns the file system, borrowed.
func (fs *FS) VFS() *vfs.Filesystem { return fs.vfs }

// Of returns the queues that a file system is.
func Of(f *vfs.Filesystem) *FS { return f.Impl.(*FS) }

// Mountable returns what to mount, with references.
func (fs *FS) Mountable() (*vfs.Filesystem, *vfs.Inode) {
	fs.vfs.IncRef()
	fs.root.node.IncRef()
	return fs.vfs, fs.root.node
}

// StatFS implements vfs.FilesystemImpl.
func (fs *FS) StatFS(current.Task) (unix.Statfs_t, error) {
	const magic = 0x19800202
	return unix.Statfs_t{Type: magic, Bsize: 4096, Frsize: 4096, Namelen: 255}, nil
}

// Sync implements vfs.FilesystemImpl.
func (fs *FS) Sync(current.Task) error { return nil }

// Options implements vfs.FilesystemImpl.
func (fs *FS) Options() string { return "" }

// Release implements vfs.FilesystemImpl: the namespace has ended, and nobody has
// mounted it. A queue that is open stays until it is closed.
func (fs *FS) Release() { fs.root.clear() }

// The sizes of what Linux keeps of a message besides its bytes: struct msg_msg
// and a node of the tree of priorities.
const (
	messageOverhead  = 48
	priorityOverhead = 48
)

// cost is what a queue counts for RLIMIT_MSGQUEUE, full or not.
func (a *Attr) cost() (uint64, error) {
	n, size := uint64(a.MaxMessages), uint64(a.MessageSize)
	if size > ^uint64(0)/n {
		return 0, unix.EOVERFLOW
	}
	tree := n*messageOverhead + min(n, MaxPriority)*priorityOverhead
	if n*size+tree < tree {
		return 0, unix.EOVERFLOW
	}
	return n*size + tree, nil
}

// charge counts a new queue for its owner: ENOSPC when there are too many
// queues, EINVAL for attributes beyond the limits, EMFILE when the owner has too
// much.
func (fs *FS) charge(t current.Task, a *Attr) (bytes uint64, err error) {
	privileged := t.Cred().HasCap(unix.CAP_SYS_RESOURCE)
	user := t.Cred().RUID
	most := t.Limits().Get(unix.RLIMIT_MSGQUEUE).Cur
	users := &fs.all.users
	users.Lock()
	defer users.Unlock()
	if fs.queues.Load() >= fs.limits.Queues.Get() && !privileged {
		return 0, unix.ENOSPC
	}
	maxMessages, maxSize := fs.limits.Messages.Get(), fs.limits.MessageSize.Get()
	if privileged {
		maxMessages, maxSize = ipc.HardMaxMessages, ipc.HardMaxMessageSize
	}
	if a.MaxMessages <= 0 || a.MessageSize <= 0 || a.MaxMessages > maxMessages || a.MessageSize > maxSize {
		return 0, unix.EINVAL
	}
	if bytes, err = a.cost(); err != nil {
		return 0, err
	}
	if fs.queues.Load() >= hardMaxQueues {
		return 0, unix.ENOMEM
	}
	if now := users.bytes[user] + bytes; now < bytes || most != limits.Infinity && now > most {
		return 0, unix.EMFILE
	}
	users.bytes[user] += bytes
	fs.queues.Add(1)
	return bytes, nil
}

// hardMaxQueues bounds what root makes without a limit.
const hardMaxQueues = 1 << 16

// uncharge takes a charge back.
func (fs *FS) uncharge(user uint32, bytes uint64) {
	users := &fs.all.users
	users.Lock()
	defer users.Unlock()
	fs.queues.Add(-1)
	if users.bytes[user] -= bytes; users.bytes[user] == 0 {
		delete(users.bytes, user)
	}
}

// attributes are what every inode has. The lock of the directory or the queue
// guards them.
type attributes struct {
	perm                uint32
	uid, gid            uint32
	nlink               uint32
	size                int64
	atime, mtime, ctime vfs.Time
}

func newAttributes(n vfs.NewInode, nlink uint32, size int64) attributes {
	t := now()
	return attributes{perm: n.Mode & 07777, uid: n.UID, gid: n.GID, nlink: nlink, size: size, atime: t, mtime: t, ctime: t}
}

func (a *attributes) stat(fs *FS, ino uint64, typ uint32) vfs.Stat {
	return vfs.Stat{
		Mask: unix.STATX_BASIC_STATS, Mode: typ | a.perm, Nlink: a.nlink, UID: a.uid, GID: a.gid,
		Ino: ino, Size: a.size, BlockSize: 4096, Dev: fs.vfs.Dev, Atime: a.atime, Mtime: a.mtime, Ctime: a.ctime,
	}
}

func (a *attributes) set(s vfs.SetStat) {
	t := now()
	a.ctime = t
	if s.Mask&vfs.SetMode != 0 {
		a.perm = s.Mode & 07777
	}
	if s.Mask&vfs.SetUID != 0 {
		a.uid = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		a.gid = s.GID
	}
	if s.Mask&vfs.SetSize != 0 {
		a.size, a.mtime = s.Size, t
	}
	if s.Mask&vfs.SetAtime != 0 {
		a.atime = s.Atime
		if s.Mask&vfs.SetAtimeNow != 0 {
			a.atime = t
		}
	}
	if s.Mask&vfs.SetMtime != 0 {
		a.mtime = s.Mtime
		if s.Mask&vfs.SetMtimeNow != 0 {
			a.mtime = t
		}
	}
}

// looked is what asking a queue does to its times, touched what changing it
// does.
func (a *attributes) looked() {
	t := now()
	a.atime, a.ctime = t, t
}

func (a *attributes) touched() {
	t := now()
	a.atime, a.mtime, a.ctime = t, t, t
}

func now() vfs.Time {
	t := time.Now()
	return vfs.Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())}
}
