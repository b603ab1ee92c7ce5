package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The ioctls that every file has (linux/fs.h, asm-generic/ioctls.h).
const (
	fioclex  = 0x5451
	fionclex = 0x5450
	fionbio  = 0x5421
	fioasync = 0x5452
	fioqsize = 0x5460
	figetbsz = 2
	fionread = unix.TIOCINQ
)

// ioctl is ioctl(2).
func ioctl(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	arg := usermem.Addr(a[2])
	switch cmd := a[1].Uint(); cmd {
	case fioclex, fionclex:
		return 0, t.Files().SetCloexec(a[0].Int(), cmd == fioclex)
	case fionbio:
		return 0, ioctlFlag(t, f, arg, unix.O_NONBLOCK)
	case fioasync:
		if err := ioctlFlag(t, f, arg, unix.O_ASYNC); err != nil {
			return 0, err
		}
		f.SetAsync(f.Flags()&unix.O_ASYNC != 0, a[0].Int())
		return 0, nil
	case fioqsize, figetbsz, fionread:
		return ioctlSize(t, f, cmd, arg)
	default:
		ret, err := f.Ioctl(t, cmd, a[2].Addr())
		if s, ok := f.Impl().(socket.InNet); ok && err == unix.ENOTTY {
			return 0, ioctlNetwork(t, f, s, cmd, arg)
		}
		return ret, err
	}
}

// The ioctls that every socket has (linux/sockios.h).
const (
	fiosetown = 0x8901
	siocspgrp = 0x8902
	fiogetown = 0x8903
	siocgpgrp = 0x8904
)

// ioctlNetwork is an ioctl of a socket that the socket itself does not know: who
// gets its signals, or something of its network.
func ioctlNetwork(t *kernel.Task, f *vfs.File, s socket.InNet, cmd uint32, arg usermem.Addr) error {
	switch cmd {
	case fiosetown, siocspgrp:
		id, err := usermem.In[int32](t.Mem(), arg)
		if err != nil {
			return err
		}
		_, err = fcntlOwner(t, f, unix.F_SETOWN, arch.Arg(uint32(id)))
		return err
	case fiogetown, siocgpgrp:
		v, _ := fcntlOwner(t, f, unix.F_GETOWN, 0) // it does not fail
		id := int32(v)
		return usermem.Out(t.Mem(), arg, &id)
	}
	if c := s.NetNS().Control; c != nil {
		return c.Ioctl(t, s.Family(), cmd, uintptr(arg))
	}
	return unix.ENOTTY
}

// ioctlFlag sets a file flag by the int at arg.
func ioctlFlag(t *kernel.Task, f *vfs.File, arg usermem.Addr, flag uint32) error {
	on, err := usermem.In[int32](t.Mem(), arg)
	if err != nil {
		return err
	}
	flags := f.Flags() &^ flag
	if on != 0 {
		flags |= flag
	}
	return f.SetFlags(t, flags)
}

// ioctlSize answers what is known of regular files, and of directories and
// links as far as Linux does; the rest goes to the file.
func ioctlSize(t *kernel.Task, f *vfs.File, cmd uint32, arg usermem.Addr) (uintptr, error) {
	s, err := f.Stat(t)
	if err != nil {
		return 0, err
	}
	kind := s.Mode & unix.S_IFMT
	switch {
	case cmd == figetbsz:
		n := int32(s.BlockSize)
		return 0, usermem.Out(t.Mem(), arg, &n)
	case cmd == fioqsize && (kind == unix.S_IFREG || kind == unix.S_IFDIR):
		return 0, usermem.Out(t.Mem(), arg, &s.Size)
	case cmd == fionread && kind == unix.S_IFREG:
		at, err := f.Seek(t, 0, unix.SEEK_CUR)
		if err != nil {
			return 0, err
		}
		n := int32(s.Size - at)
		return 0, usermem.Out(t.Mem(), arg, &n)
	}
	return f.Ioctl(t, cmd, uintptr(arg))
}
