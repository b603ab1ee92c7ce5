package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// FilesystemImpl is one file system instance (a super_block).
type FilesystemImpl interface {
	// StatFS answers statfs(2).
	StatFS(t current.Task) (unix.Statfs_t, error)
	// Sync writes everything back, syncfs(2).
	Sync(t current.Task) error
	// Options returns what /proc/mounts shows after ro/rw.
	Options() string
	// Release is called once, when the last mount is gone and nothing of the
	// file system is in use.
	Release()
}

// InodeImpl is what a file system knows of one file. Directory operations are
// in DirImpl.
type InodeImpl interface {
	// Stat returns the attributes. Type, Ino and Dev never change.
	Stat(t current.Task) (Stat, error)
	// SetStat changes those that s.Mask names. vfs has checked permission,
	// and cleared set-id bits where Linux does.
	SetStat(t current.Task, s SetStat) error
	// Open makes an open file of the inode. f is the description that it will
	// belong to: path, flags and credentials are set. O_CREAT, O_EXCL, O_TRUNC
	// and O_PATH have been dealt with. Symlinks and sockets are never opened.
	Open(t current.Task, f *File) (FileImpl, error)
	// Release is called once, when nothing refers to the inode any more.
	Release()
}

// DirImpl is implemented by the inodes of directories. vfs holds the dentry
// locks of the directories concerned, so that no two changes of one directory
// run at once; Lookup may run beside other Lookups. Names are single components,
// never "", "." or "..", at most 255 bytes. Inodes are returned with a
// reference for the caller.
type DirImpl interface {
	// Lookup finds a name. ENOENT is cached as a negative dentry unless the
	// file system is Volatile.
	Lookup(t current.Task, name string) (*Inode, error)
	// Create makes a file of the type in mode: regular, FIFO, socket, device
	// (with dev). The owner is the caller's fsuid and fsgid, but vfs has worked
	// set-group-id directories into a. EEXIST if the name is there.
	Create(t current.Task, name string, a NewInode) (*Inode, error)
	// Mkdir makes a directory.
	Mkdir(t current.Task, name string, a NewInode) (*Inode, error)
	// Symlink makes a symbolic link.
	Symlink(t current.Task, name, target string, a NewInode) (*Inode, error)
	// Link makes another name for an inode of the same file system.
	Link(t current.Task, name string, target *Inode) error
	// Unlink removes the name of a file that is no directory.
	Unlink(t current.Task, name string, child *Inode) error
	// Rmdir removes an empty directory; ENOTEMPTY.
	Rmdir(t current.Task, name string, child *Inode) error
	// Rename moves child from here to newName in newDir (of the same file
	// system). target is what has that name, or nil. flags are RENAME_*.
	Rename(t current.Task, name string, child *Inode, newDir *Inode, newName string, target *Inode, flags uint32) error
}

// NewInode is what an inode is made with.
type NewInode struct {
	Mode     uint32 // type and permission, umask applied
	UID, GID uint32
	Dev      Dev // of device nodes
}

// Dev is a device number as Linux's userspace encodes it in 64 bits
// (makedev(3)).
type Dev uint64

// FileImpl is an open file. A file that is a stream (File.Stream) ignores
// offsets. Nothing blocks: what would is EAGAIN and notifies the file's queue
// when it may work; vfs does the waiting, and knows O_NONBLOCK.
type FileImpl interface {
	// Read fills dst from offset off and returns how much, 0 at the end.
	Read(t current.Task, f *File, dst usermem.Buffer, off int64) (int64, error)
	// Write stores src at off, or at the end if off is Append. It returns how
	// much, and the offset behind it.
	Write(t current.Task, f *File, src usermem.Buffer, off int64) (n, end int64, err error)
	// Ioctl is ioctl(2); ENOTTY for what it does not know.
	Ioctl(t current.Task, f *File, cmd uint32, arg uintptr) (uintptr, error)
	// Waitable tells readiness. A file that is always ready embeds AlwaysReady.
	wait.Waitable
	// Release is called once, with the last reference to f.
	Release(t current.Task, f *File)
}

// Append as an offset means the end of the file, found atomically with the
// write.
const Append = -1

// Pollable is implemented by open files of devices of which some cannot be waited
// for by epoll(7): always ready for poll(2); and by files of kernel file systems of which
// some can.
type Pollable interface{ Pollable() bool }

// AlwaysReady is the Waitable of regular files: ready for everything.
type AlwaysReady struct{}

// Readiness implements wait.Waitable.
func (AlwaysReady) Readiness(m wait.Mask) wait.Mask {
	return m & (wait.In | wait.Out | wait.RdNrm | wait.WrNrm)
}

// Register implements wait.Waitable.
func (AlwaysReady) Register(*wait.Entry, wait.Mask) {}

// Unregister implements wait.Waitable.
func (AlwaysReady) Unregister(*wait.Entry) {}

// NoIoctl is embedded by files that have no ioctl.
type NoIoctl struct{}

// Ioctl implements FileImpl.
func (NoIoctl) Ioctl(current.Task, *File, uint32, uintptr) (uintptr, error) {
	return 0, unix.ENOTTY
}

// OpenDir is embedded by open directories: they are always ready, and neither
// read nor written.
type OpenDir struct {
	AlwaysReady
	NoIoctl
}

// Read implements FileImpl.
func (OpenDir) Read(current.Task, *File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EISDIR
}

// Write implements FileImpl.
func (OpenDir) Write(current.Task, *File, usermem.Buffer, int64) (int64, int64, error) {
	return 0, 0, unix.EISDIR
}

// Release implements FileImpl.
func (OpenDir) Release(current.Task, *File) {}

// EmitDots emits "." and "..", whose cookies are 0 and 1, of the directory f, as
// far as they come at cookie or later. It is false if emit wants no more. The
// cookie of what comes behind them is 2.
func EmitDots(f *File, ino uint64, cookie int64, emit func(Dirent) bool) bool {
	if cookie == 0 && !emit(Dirent{Name: ".", Ino: ino, Type: unix.DT_DIR, Next: 1}) {
		return false
	}
	parent := ino
	if p, ok := ParentIno(f.Path); ok {
		parent = p
	}
	return cookie > 1 || emit(Dirent{Name: "..", Ino: parent, Type: unix.DT_DIR, Next: 2})
}

// Mapper is a file that mmap(2) accepts. One without is ENODEV.
type Mapper interface {
	// Map returns what to map. o is the call as it came; Map may change it
	// (a device that forces MAP_SHARED, say).
	Map(t current.Task, f *File, o *mm.MapOpts) (mm.Mappable, error)
}
