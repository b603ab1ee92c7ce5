package syscalls

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

const (
	msMagic     = 0xC0ED0000 // MS_MGC_VAL: old programs put it into the flags
	msMagicMask = 0xffff0000

	// mountFlags are those that belong to the mount, not to the file system.
	mountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME |
		unix.MS_NODIRATIME | unix.MS_RELATIME | unix.MS_STRICTATIME | unix.MS_NOSYMFOLLOW
	propagation = unix.MS_SHARED | unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_UNBINDABLE
)

// mount is mount(2).
func mount(t *kernel.Task, a arch.Args) (uintptr, error) {
	fstype, err := optionalString(t, a[2])
	if err != nil {
		return 0, err
	}
	source, err := optionalString(t, a[0])
	if err != nil {
		return 0, err
	}
	data, err := mountData(t, a[4])
	if err != nil {
		return 0, err
	}
	p, err := walkArg(t, unix.AT_FDCWD, a[1], true, false)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	flags := a[3].Uint64()
	if flags&msMagicMask == msMagic {
		flags &^= msMagicMask
	}
	if flags&unix.MS_NOUSER != 0 {
		return 0, unix.EINVAL
	}
	if !t.Cred().HasCap(unix.CAP_SYS_ADMIN) {
		return 0, unix.EPERM
	}
	return 0, mountAt(t, p, source, fstype, data, flags)
}

// mountAt decides what kind of call it is.
func mountAt(t *kernel.Task, p vfs.Path, source, fstype, data string, flags uint64) error {
	ns := t.MountNS()
	switch {
	case flags&unix.MS_REMOUNT != 0:
		return ns.Remount(t, p, flags&mountFlags)
	case flags&unix.MS_BIND != 0:
		src, err := walkSource(t, source)
		if err != nil {
			return err
		}
		defer src.DecRef()
		return ns.Bind(t, src, p, flags&unix.MS_REC != 0)
	case flags&propagation != 0:
		kind := flags & propagation
		if kind&(kind-1) != 0 || flags&^(propagation|unix.MS_REC|unix.MS_SILENT) != 0 {
			return unix.EINVAL
		}
		return ns.SetPropagation(t, p, flags)
	case flags&unix.MS_MOVE != 0:
		src, err := walkSource(t, source)
		if err != nil {
			return err
		}
		defer src.DecRef()
		return ns.MoveMount(t, src, p)
	}
	return mountNew(t, p, source, fstype, data, flags)
}

func mountNew(t *kernel.Task, p vfs.Path, source, fstype, data string, flags uint64) error {
	if fstype == "" {
		return unix.EINVAL
	}
	typ, ok := t.Kernel().Types()[fstype]
	if !ok {
		t.Note("hull has no file system of that type for guests to mount")
		return unix.ENODEV
	}
	fs, root, err := typ.New(t, source, data)
	if err != nil {
		return err
	}
	if source == "" {
		source = "none"
	}
	_, err = t.MountNS().Mount(t, p, fs, root, source, flags&mountFlags)
	return err
}

func walkSource(t *kernel.Task, name string) (vfs.Path, error) {
	if name == "" {
		return vfs.Path{}, unix.EINVAL
	}
	return vfs.Walk(t, vfs.At{FS: t.FS(), Name: name, Follow: true})
}

// optionalString copies a string in, "" for none. EINVAL if it is longer than a
// page.
func optionalString(t *kernel.Task, addr arch.Arg) (string, error) {
	if addr == 0 {
		return "", nil
	}
	s, err := usermem.CString(t.Mem(), usermem.Addr(addr), usermem.PageSize)
	if errors.Is(err, unix.ENAMETOOLONG) {
		return "", unix.EINVAL
	}
	return s, err
}

// mountData copies in at most a page of options, as far as memory goes.
func mountData(t *kernel.Task, addr arch.Arg) (string, error) {
	if addr == 0 {
		return "", nil
	}
	b := make([]byte, usermem.PageSize)
	n, err := t.Mem().CopyIn(usermem.Addr(addr), b)
	if n == 0 {
		return "", err
	}
	b = b[:n]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b), nil
}

// umount2 is umount2(2).
func umount2(t *kernel.Task, a arch.Args) (uintptr, error) {
	const known = unix.MNT_FORCE | unix.MNT_DETACH | unix.MNT_EXPIRE | unix.UMOUNT_NOFOLLOW
	flags := a[1].Uint()
	if flags&^uint32(known) != 0 {
		return 0, unix.EINVAL
	}
	p, err := walkArg(t, unix.AT_FDCWD, a[0], flags&unix.UMOUNT_NOFOLLOW == 0, false)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	if !t.Cred().HasCap(unix.CAP_SYS_ADMIN) {
		return 0, unix.EPERM
	}
	return 0, t.MountNS().Umount(t, p, flags)
}

// pivotRoot is pivot_root(2).
func pivotRoot(t *kernel.Task, a arch.Args) (uintptr, error) {
	if !t.Cred().HasCap(unix.CAP_SYS_ADMIN) {
		return 0, unix.EPERM
	}
	root, err := walkArg(t, unix.AT_FDCWD, a[0], true, false)
	if err != nil {
		return 0, err
	}
	defer root.DecRef()
	old, err := walkArg(t, unix.AT_FDCWD, a[1], true, false)
	if err != nil {
		return 0, err
	}
	defer old.DecRef()
	return 0, t.MountNS().PivotRoot(t, t.FS(), root, old)
}
