package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// setNow sets both times to the current one.
const setNow = vfs.SetAtime | vfs.SetMtime | vfs.SetAtimeNow | vfs.SetMtimeNow

// utime is utime(2).
func utime(t *kernel.Task, a arch.Args) (uintptr, error) {
	s := vfs.SetStat{Mask: setNow}
	if a[1] != 0 {
		v, err := usermem.In[[2]int64](t.Mem(), usermem.Addr(a[1]))
		if err != nil {
			return 0, err
		}
		s = vfs.SetStat{Mask: vfs.SetAtime | vfs.SetMtime, Atime: vfs.Time{Sec: v[0]}, Mtime: vfs.Time{Sec: v[1]}}
	}
	return setStatAt(t, unix.AT_FDCWD, a[0], s, 0)
}

// utimes is utimes(2).
func utimes(t *kernel.Task, a arch.Args) (uintptr, error) {
	return utimesAt(t, unix.AT_FDCWD, a[0], a[1])
}

// futimesat is futimesat(2).
func futimesat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return utimesAt(t, a[0].Int(), a[1], a[2])
}

func utimesAt(t *kernel.Task, dirfd int32, path, times arch.Arg) (uintptr, error) {
	s := vfs.SetStat{Mask: setNow}
	if times != 0 {
		v, err := usermem.In[[2]unix.Timeval](t.Mem(), usermem.Addr(times))
		if err != nil {
			return 0, err
		}
		for _, tv := range v {
			if tv.Usec < 0 || tv.Usec >= 1e6 {
				return 0, unix.EINVAL
			}
		}
		s = vfs.SetStat{Mask: vfs.SetAtime | vfs.SetMtime,
			Atime: vfs.Time{Sec: v[0].Sec, Nsec: int32(v[0].Usec) * 1000},
			Mtime: vfs.Time{Sec: v[1].Sec, Nsec: int32(v[1].Usec) * 1000}}
	}
	return timesOf(t, dirfd, path, s, 0)
}

// utimensat is utimensat(2).
func utimensat(t *kernel.Task, a arch.Args) (uintptr, error) {
	s := vfs.SetStat{Mask: setNow}
	if a[2] != 0 {
		v, err := usermem.In[[2]unix.Timespec](t.Mem(), usermem.Addr(a[2]))
		if err != nil {
			return 0, err
		}
		if v[0].Nsec == unix.UTIME_OMIT && v[1].Nsec == unix.UTIME_OMIT {
			return 0, nil // not even the name is looked at
		}
		var ok0, ok1 bool
		var at, mt vfs.SetMask
		s.Atime, at, ok0 = timeArg(v[0], vfs.SetAtime, vfs.SetAtimeNow)
		s.Mtime, mt, ok1 = timeArg(v[1], vfs.SetMtime, vfs.SetMtimeNow)
		if !ok0 || !ok1 {
			return 0, unix.EINVAL
		}
		s.Mask = at | mt
	}
	flags := a[3].Uint()
	if flags&^uint32(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, unix.EINVAL
	}
	return timesOf(t, a[0].Int(), a[1], s, flags)
}

// timeArg decodes one time with its special values.
func timeArg(v unix.Timespec, set, now vfs.SetMask) (_ vfs.Time, _ vfs.SetMask, ok bool) {
	switch {
	case v.Nsec == unix.UTIME_OMIT:
		return vfs.Time{}, 0, true
	case v.Nsec == unix.UTIME_NOW:
		return vfs.Time{}, set | now, true
	case v.Nsec < 0 || v.Nsec >= 1e9:
		return vfs.Time{}, 0, false
	}
	return vfs.Time{Sec: v.Sec, Nsec: int32(v.Nsec)}, set, true
}

// timesOf sets times of a name or, if path is null, of the descriptor itself.
func timesOf(t *kernel.Task, dirfd int32, path arch.Arg, s vfs.SetStat, flags uint32) (uintptr, error) {
	if path != 0 || dirfd == unix.AT_FDCWD {
		return setStatAt(t, dirfd, path, s, flags)
	}
	if flags != 0 {
		return 0, unix.EINVAL
	}
	f, err := t.Files().Get(dirfd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.SetStat(t, s)
}
