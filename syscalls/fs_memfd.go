package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/tmpfs"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// maxMemfdName is how long a memfd's name may be, without "memfd:".
const maxMemfdName = 255 - len("memfd:")

// memfdCreate is memfd_create(2).
func memfdCreate(t *kernel.Task, a arch.Args) (uintptr, error) {
	const known = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_NOEXEC_SEAL | unix.MFD_EXEC
	flags := a[1].Uint()
	if flags&^known != 0 || flags&unix.MFD_EXEC != 0 && flags&unix.MFD_NOEXEC_SEAL != 0 {
		return 0, unix.EINVAL
	}
	name, err := usermem.CString(t.Mem(), usermem.Addr(a[0]), maxMemfdName+1)
	if err == unix.ENAMETOOLONG {
		err = unix.EINVAL
	}
	if err != nil {
		return 0, err
	}
	mode := uint32(0777)
	if flags&unix.MFD_NOEXEC_SEAL != 0 {
		mode = 0666
	}
	i, err := tmpfs.NewMemfd(t.Kernel().MemfdFS(), t, mode, flags&(unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL) != 0)
	if err != nil {
		return 0, err
	}
	p := t.Kernel().Anon().PathOf(i, "/memfd:"+name)
	defer p.DecRef()
	f, err := vfs.OpenPath(t, p, vfs.OpenHow{Flags: unix.O_RDWR | unix.O_LARGEFILE})
	if err != nil {
		return 0, err
	}
	fd, err := t.Files().Install(f, 0, flags&unix.MFD_CLOEXEC != 0, t.Limits().Get(unix.RLIMIT_NOFILE).Cur)
	if err != nil {
		f.DecRef(t)
		return 0, err
	}
	return uintptr(fd), nil
}
