package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// chown is chown(2).
func chown(t *kernel.Task, a arch.Args) (uintptr, error) {
	return setStatAt(t, unix.AT_FDCWD, a[0], owners(a[1], a[2]), 0)
}

// lchown is lchown(2).
func lchown(t *kernel.Task, a arch.Args) (uintptr, error) {
	return setStatAt(t, unix.AT_FDCWD, a[0], owners(a[1], a[2]), unix.AT_SYMLINK_NOFOLLOW)
}

// fchown is fchown(2).
func fchown(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.SetStat(t, owners(a[1], a[2]))
}

// fchownat is fchownat(2).
func fchownat(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[4].Uint()
	if flags&^uint32(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, unix.EINVAL
	}
	return setStatAt(t, a[0].Int(), a[1], owners(a[2], a[3]), flags)
}

// unchanged as an id leaves it as it is.
const unchanged = ^uint32(0)

// owners decodes user and group; -1 leaves one as it is.
func owners(uid, gid arch.Arg) vfs.SetStat {
	s := vfs.SetStat{UID: uid.Uint(), GID: gid.Uint()}
	if s.UID != unchanged {
		s.Mask |= vfs.SetUID
	}
	if s.GID != unchanged {
		s.Mask |= vfs.SetGID
	}
	return s
}
