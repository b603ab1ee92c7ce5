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

// TouchesAtime reports whether a read of f at now changes the access time of a
// file with the attributes s, as its flags and its mount say.
func (f *File) TouchesAtime(s *Stat, now Time) bool {
	m := f.Path.Mount
	if m == nil || f.flags.Load()&unix.O_NOATIME != 0 {
		return false
	}
	switch flags := m.Flags(); {
	case flags&(unix.MS_NOATIME|unix.MS_RDONLY) != 0, flags&unix.MS_NODIRATIME != 0 && s.IsDir():
		return false
	case flags&unix.MS_RELATIME == 0:
		return true
	}
	return !s.Mtime.before(s.Atime) || !s.Ctime.before(s.Atime) || now.Sec-s.Atime.Sec >= 24*60*60
}

// before reports whether t is earlier than u.
func (t Time) before(u Time) bool { return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec }

// The permissions that are asked for.
const (
	MayExec  = 1
	MayWrite = 2
	MayRead  = 4
)
