package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The flags of preadv2 and pwritev2 that mean something here: high priority is
// a hint, the others make a write durable.
const rwfFlags = unix.RWF_HIPRI | unix.RWF_DSYNC | unix.RWF_SYNC

// atOffset as an offset means the file's own.
const atOffset = -1

// readv is readv(2).
func readv(t *kernel.Task, a arch.Args) (uintptr, error) {
	return vectored(t, a, atOffset, 0, (*vfs.File).Read, (*vfs.File).ReadAt)
}

// writev is writev(2).
func writev(t *kernel.Task, a arch.Args) (uintptr, error) {
	return vectored(t, a, atOffset, 0, (*vfs.File).Write, (*vfs.File).WriteAt)
}

// preadv is preadv(2). On 64 bits the offset's high word is not looked at.
func preadv(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Int64() < 0 {
		return 0, unix.EINVAL
	}
	return vectored(t, a, a[3].Int64(), 0, (*vfs.File).Read, (*vfs.File).ReadAt)
}

// pwritev is pwritev(2).
func pwritev(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Int64() < 0 {
		return 0, unix.EINVAL
	}
	return vectored(t, a, a[3].Int64(), 0, (*vfs.File).Write, (*vfs.File).WriteAt)
}

// preadv2 is preadv2(2).
func preadv2(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Int64() < atOffset {
		return 0, unix.EINVAL
	}
	return vectored(t, a, a[3].Int64(), a[5].Uint(), (*vfs.File).Read, (*vfs.File).ReadAt)
}

// pwritev2 is pwritev2(2).
func pwritev2(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Int64() < atOffset {
		return 0, unix.EINVAL
	}
	n, err := vectored(t, a, a[3].Int64(), a[5].Uint(), (*vfs.File).Write, (*vfs.File).WriteAt)
	if flags := a[5].Uint(); err == nil && n > 0 && flags&(unix.RWF_DSYNC|unix.RWF_SYNC) != 0 {
		f, err := fileArg(t, a[0])
		if err != nil {
			return 0, err
		}
		defer f.DecRef(t)
		if err := f.Sync(t, flags&unix.RWF_SYNC == 0); err != nil && err != unix.EINVAL {
			return 0, err
		}
	}
	return n, err
}

type (
	moveFunc   = func(*vfs.File, current.Task, usermem.Buffer) (int64, error)
	moveAtFunc = func(*vfs.File, current.Task, usermem.Buffer, int64) (int64, error)
)

// vectored is all of them: descriptor, iovecs, offset, flags.
func vectored(t *kernel.Task, a arch.Args, off int64, flags uint32, move moveFunc, moveAt moveAtFunc) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if a[2].Size() > usermem.MaxIovecs {
		return 0, unix.EINVAL
	}
	rs, err := usermem.Iovecs(t.Mem(), usermem.Addr(a[1]), int(a[2].Size()))
	if err != nil {
		return 0, err
	}
	if flags&^uint32(rwfFlags) != 0 {
		return 0, unix.EOPNOTSUPP
	}
	b := usermem.Vec(t.Mem(), rs)
	var n int64
	if off == atOffset {
		n, err = move(f, t, b)
	} else {
		n, err = moveAt(f, t, b, off)
	}
	return uintptr(n), err
}
