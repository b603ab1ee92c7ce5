package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

// statOf returns s as this architecture's struct stat.
func statOf(s *vfs.Stat) unix.Stat_t {
	return unix.Stat_t{
		Dev: uint64(s.Dev), Ino: s.Ino, Nlink: uint64(s.Nlink), Mode: s.Mode, Uid: s.UID, Gid: s.GID,
		Rdev: uint64(s.Rdev), Size: s.Size, Blksize: int64(s.BlockSize), Blocks: int64(s.Blocks),
		Atim: timespec(s.Atime), Mtim: timespec(s.Mtime), Ctim: timespec(s.Ctime),
	}
}
