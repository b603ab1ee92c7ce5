package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/pipe"
	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// setFlags are the flags that F_SETFL changes.
const setFlags = unix.O_APPEND | unix.O_NONBLOCK | unix.O_ASYNC | unix.O_DIRECT | unix.O_NOATIME

// fcntl is fcntl(2).
func fcntl(t *kernel.Task, a arch.Args) (uintptr, error) {
	fd, cmd := a[0].Int(), a[1].Int()
	f, err := t.Files().GetPath(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	switch cmd {
	case unix.F_DUPFD, unix.F_DUPFD_CLOEXEC:
		return dupFrom(t, f, a[2].Uint64(), cmd == unix.F_DUPFD_CLOEXEC)
	case unix.F_GETFD:
		on, err := t.Files().Cloexec(fd)
		if err != nil || !on {
			return 0, err
		}
		return unix.FD_CLOEXEC, nil
	case unix.F_SETFD:
		return 0, t.Files().SetCloexec(fd, a[2]&unix.FD_CLOEXEC != 0)
	case unix.F_GETFL:
		return uintptr(f.Flags()), nil
	}
	if f.Flags()&unix.O_PATH != 0 {
		return 0, unix.EBADF
	}
	switch cmd {
	case unix.F_SETFL:
		return 0, setFL(t, f, fd, a[2].Uint())
	case unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		return 0, fcntlLock(t, f, cmd, a[2])
	case unix.F_SETPIPE_SZ, unix.F_GETPIPE_SZ:
		return fcntlPipe(t, f, cmd, a[2].Uint64())
	case unix.F_ADD_SEALS, unix.F_GET_SEALS:
		return fcntlSeals(t, f, cmd, a[2].Uint())
	case unix.F_GETOWN, unix.F_SETOWN, unix.F_GETSIG, unix.F_SETSIG, fGetOwnEx, fSetOwnEx:
		return fcntlOwner(t, f, cmd, a[2])
	case unix.F_GETLEASE:
		return unix.F_UNLCK, nil
	case unix.F_SETLEASE:
		return 0, setLease(t, f, a[2].Int())
	}
	return 0, unix.EINVAL
}

// dupFrom is F_DUPFD: the lowest descriptor from min on.
func dupFrom(t *kernel.Task, f *vfs.File, min uint64, cloexec bool) (uintptr, error) {
	limit := fdLimit(t)
	if min >= limit {
		return 0, unix.EINVAL
	}
	f.IncRef()
	fd, err := t.Files().Install(f, int32(min), cloexec, limit)
	if err != nil {
		f.DecRef(t)
		return 0, err
	}
	return uintptr(fd), nil
}

// setFL is F_SETFL.
func setFL(t *kernel.Task, f *vfs.File, fd int32, flags uint32) error {
	old := f.Flags()
	if (flags^old)&unix.O_NOATIME != 0 && flags&unix.O_NOATIME != 0 {
		s, err := f.Stat(t)
		if err != nil {
			return err
		}
		if t.Cred().FSUID != s.UID && !t.Cred().HasCap(unix.CAP_FOWNER) {
			return unix.EPERM
		}
	}
	if err := f.SetFlags(t, old&^setFlags|flags&setFlags); err != nil {
		return err
	}
	f.SetAsync(flags&unix.O_ASYNC != 0, fd)
	return nil
}

func fcntlPipe(t *kernel.Task, f *vfs.File, cmd int32, size uint64) (uintptr, error) {
	p := pipe.Of(f)
	if p == nil {
		return 0, unix.EBADF
	}
	if cmd == unix.F_GETPIPE_SZ {
		return uintptr(p.Size()), nil
	}
	if uint64(size) > uint64(t.Kernel().PipeMax()) && int(uint32(size)) > p.Size() && !t.Cred().HasCap(unix.CAP_SYS_RESOURCE) {
		return 0, unix.EPERM
	}
	n, err := p.SetSize(t, uint32(size))
	return uintptr(n), err
}

// sealer is a file that F_ADD_SEALS works on: those of memfd_create(2).
type sealer interface {
	Seals(f *vfs.File) (uint32, error)
	AddSeals(t current.Task, f *vfs.File, seals uint32) error
}

func fcntlSeals(t *kernel.Task, f *vfs.File, cmd int32, seals uint32) (uintptr, error) {
	s, ok := f.Impl().(sealer)
	if !ok {
		return 0, unix.EINVAL
	}
	if cmd == unix.F_GET_SEALS {
		have, err := s.Seals(f)
		return uintptr(have), err
	}
	return 0, s.AddSeals(t, f, seals)
}

// setLease refuses leases: nothing could break one that the host does not know.
func setLease(t *kernel.Task, f *vfs.File, kind int32) error {
	s, err := f.Stat(t)
	if err != nil {
		return err
	}
	if s.UID != t.Cred().FSUID && !t.Cred().HasCap(unix.CAP_LEASE) {
		return unix.EACCES
	}
	if kind == unix.F_UNLCK {
		return unix.EAGAIN
	}
	t.Note("hull has no file leases")
	return unix.EINVAL
}
