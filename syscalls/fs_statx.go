package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// syncType is AT_STATX_SYNC_TYPE.
const syncType = unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC

// statx is statx(2). What was not asked for is told too, where it costs nothing.
func statx(t *kernel.Task, a arch.Args) (uintptr, error) {
	const known = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_EMPTY_PATH | syncType
	flags, mask := a[2].Uint(), a[3].Uint()
	if mask&unix.STATX__RESERVED != 0 {
		return 0, unix.EINVAL
	}
	if flags&syncType == syncType || flags&^uint32(known) != 0 {
		return 0, unix.EINVAL
	}
	s, mount, err := statPlace(t, a[0].Int(), a[1], flags)
	if err != nil {
		return 0, err
	}
	x := statxOf(&s)
	if mount != 0 && mask&unix.STATX_MNT_ID != 0 {
		x.Mask |= unix.STATX_MNT_ID
		x.Mnt_id = uint64(mount)
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[4]), &x)
}

func statxOf(s *vfs.Stat) unix.Statx_t {
	return unix.Statx_t{
		Mask: s.Mask, Blksize: s.BlockSize, Attributes: s.Attributes, Attributes_mask: s.AttributesMask,
		Nlink: s.Nlink, Uid: s.UID, Gid: s.GID, Mode: uint16(s.Mode), Ino: s.Ino, Size: uint64(s.Size), Blocks: s.Blocks,
		Atime: statxTime(s.Atime), Btime: statxTime(s.Btime), Ctime: statxTime(s.Ctime), Mtime: statxTime(s.Mtime),
		Rdev_major: unix.Major(uint64(s.Rdev)), Rdev_minor: unix.Minor(uint64(s.Rdev)),
		Dev_major: unix.Major(uint64(s.Dev)), Dev_minor: unix.Minor(uint64(s.Dev)),
	}
}

func statxTime(v vfs.Time) unix.StatxTimestamp {
	return unix.StatxTimestamp{Sec: v.Sec, Nsec: uint32(v.Nsec)}
}
