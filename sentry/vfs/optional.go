package vfs

import (
	"time"

	"hull/sentry/current"
	"hull/sentry/usermem"
)

// Of inodes.

// Readlinker is a symbolic link; every inode of type S_IFLNK is one.
type Readlinker interface {
	Readlink(t current.Task) (string, error)
}

// MagicLink is a symbolic link that leads to an object and not to a name:
// /proc/self/exe, /proc/self/fd/3. The path is returned with references.
type MagicLink interface {
	Readlinker
	Follow(t current.Task) (Path, error)
}

// MultiLookup is a directory that looks several components up in one go. It
// returns the inodes it found, in order, at most one a name; it stops after one
// that is no directory. With fewer inodes than names err says why the next one
// was not found.
type MultiLookup interface {
	LookupMany(t current.Task, names []string) ([]*Inode, error)
}

// Revalidator is an inode whose name may come to mean something else behind
// vfs's back (/proc/PID, a shared host directory). Valid is asked each time a
// cached dentry is used.
type Revalidator interface {
	Valid(t current.Task, parent *Inode, name string) bool
}

// Xattrs is an inode with extended attributes. Names are whole ("user.x");
// vfs has checked permission. flags are XATTR_CREATE and XATTR_REPLACE.
type Xattrs interface {
	GetXattr(t current.Task, name string) ([]byte, error) // ENODATA
	SetXattr(t current.Task, name string, value []byte, flags int32) error
	ListXattr(t current.Task) ([]string, error)
	RemoveXattr(t current.Task, name string) error
}

// Permitter is an inode that decides itself whether the caller may access it,
// instead of by owner and mode (/proc/PID/...). may is a set of MayRead,
// MayWrite, MayExec.
type Permitter interface {
	Permission(t current.Task, may uint32) error
}

// TmpfileMaker is a directory in which O_TMPFILE works.
type TmpfileMaker interface {
	Tmpfile(t current.Task, a NewInode) (*Inode, error)
}

// SpecialHolder is an inode that keeps what lives in memory while a FIFO or
// bound socket of that name exists. Inode has one for all that do not say
// otherwise: file systems over others (overlay) pass on the lower one's.
type SpecialHolder interface {
	Special() *Special
}

// Of files.

// Seeker is a file whose lseek is its own (directories, /dev/mem-like files).
// Others get the default: SEEK_SET/CUR/END by size, SEEK_DATA and SEEK_HOLE as a
// file without holes.
type Seeker interface {
	Seek(t current.Task, f *File, off int64, whence int32) (int64, error)
}

// DirReader is an open directory. It calls emit for entries from cookie on
// (0 is the start), "." and ".." included, until emit returns false; an entry's
// Next is the cookie of the one after it.
type DirReader interface {
	ReadDir(t current.Task, f *File, cookie int64, emit func(Dirent) bool) error
}

// Dirent is one directory entry.
type Dirent struct {
	Name string
	Ino  uint64
	Type uint8 // DT_*
	Next int64
}

// Timed is a file whose waits have an end (SO_RCVTIMEO, SO_SNDTIMEO): when one
// that starts now ends, or zero for never. A wait that timed out is EAGAIN, and
// one that could have is not restarted after a signal.
type Timed interface {
	Deadline(write bool) time.Time
}

// LowWater is a stream of which a read that blocks waits for more than one byte:
// SO_RCVLOWAT. What came before the stream's end, an error, a signal or a time-out
// is returned whether it is as much or not.
type LowWater interface {
	LowWater() int
}

// Syncer is a file that fsync(2) has work for.
type Syncer interface {
	Sync(t current.Task, f *File, dataOnly bool) error
}

// Allocater is a file on which fallocate(2) works; others are EOPNOTSUPP.
type Allocater interface {
	Allocate(t current.Task, f *File, mode uint32, off, length int64) error
}

// FlagSetter is told when F_SETFL changed O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT.
type FlagSetter interface {
	SetFlags(t current.Task, f *File, flags uint32) error
}

// Flusher is told of each close(2) of a descriptor, not only the last.
type Flusher interface {
	Flush(t current.Task, f *File) error
}

// Splicer is a file that can give bytes to another without guest memory in
// between, or take them (pipes, sockets). ok false: copy through a buffer.
type Splicer interface {
	SpliceRead(t current.Task, f *File, off int64, max int64, to func(src usermem.Buffer) (int64, error)) (int64, error)
}

// Positioned is a file whose offset others share who are not here: a
// descriptor of whoever started the sandbox. Reads and writes without an offset
// of their own are made at it.
type Positioned interface {
	ReadNext(t current.Task, f *File, dst usermem.Buffer) (int64, error)
	WriteNext(t current.Task, f *File, src usermem.Buffer) (int64, error)
	Seeker
}
