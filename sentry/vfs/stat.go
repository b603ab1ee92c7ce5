package vfs

import "golang.org/x/sys/unix"

// Time is seconds and nanoseconds since 1970.
type Time struct {
	Sec  int64
	Nsec int32
}

// Stat is the attributes of an inode (struct statx without the mount).
type Stat struct {
	Mask                       uint32 // STATX_* that are meaningful
	Mode                       uint32 // type and permission
	Nlink                      uint32
	UID, GID                   uint32
	Ino                        uint64
	Size                       int64
	Blocks                     uint64 // of 512 bytes
	BlockSize                  uint32
	Dev, Rdev                  Dev
	Atime, Mtime, Ctime, Btime Time
	Attributes, AttributesMask uint64 // STATX_ATTR_*
}

// IsDir reports whether it is a directory's.
func (s *Stat) IsDir() bool { return s.Mode&unix.S_IFMT == unix.S_IFDIR }

// SetMask says which fields of a SetStat are to be set.
type SetMask uint8

// The fields of SetStat.
const (
	SetMode SetMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
	SetAtimeNow // with SetAtime: the current time, not Atime
	SetMtimeNow
)

// SetStat is a change of attributes (struct iattr). Ctime follows by itself.
type SetStat struct {
	Mask         SetMask
	Mode         uint32 // permission bits
	UID, GID     uint32
	Size         int64
	Atime, Mtime Time
}

// The permissions that are asked for.
const (
	MayExec  = 1
	MayWrite = 2
	MayRead  = 4
)
