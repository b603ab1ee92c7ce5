package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// getcwd is getcwd(2), the system call: it returns the length with the NUL, and
// a directory that cannot be reached is told as such.
func getcwd(t *kernel.Task, a arch.Args) (uintptr, error) {
	cwd, root := t.FS().CWD(), t.FS().Root()
	defer cwd.DecRef()
	defer root.DecRef()
	if cwd.Dentry.Deleted() {
		return 0, unix.ENOENT
	}
	name, ok := vfs.PathName(cwd, root)
	if !ok {
		name = "(unreachable)" + name
	}
	if uint64(len(name)+1) > a[1].Size() {
		return 0, unix.ERANGE
	}
	_, err := t.Mem().CopyOut(usermem.Addr(a[0]), append([]byte(name), 0))
	return uintptr(len(name) + 1), err
}

// chdir is chdir(2).
func chdir(t *kernel.Task, a arch.Args) (uintptr, error) {
	p, err := walkArg(t, unix.AT_FDCWD, a[0], true, false)
	if err != nil {
		return 0, err
	}
	if err := vfs.MayEnter(t, p); err != nil {
		p.DecRef()
		return 0, err
	}
	t.FS().SetCWD(p)
	return 0, nil
}

// fchdir is fchdir(2).
func fchdir(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := t.Files().GetPath(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if f.Path.Dentry == nil {
		return 0, unix.ENOTDIR
	}
	if err := vfs.MayEnter(t, f.Path); err != nil {
		return 0, err
	}
	t.FS().SetCWD(f.Path.IncRef())
	return 0, nil
}

// chroot is chroot(2).
func chroot(t *kernel.Task, a arch.Args) (uintptr, error) {
	p, err := walkArg(t, unix.AT_FDCWD, a[0], true, false)
	if err != nil {
		return 0, err
	}
	if err := vfs.MayEnter(t, p); err != nil {
		p.DecRef()
		return 0, err
	}
	if !t.Cred().HasCap(unix.CAP_SYS_CHROOT) {
		p.DecRef()
		return 0, unix.EPERM
	}
	t.FS().SetRoot(p)
	return 0, nil
}

// umask is umask(2).
func umask(t *kernel.Task, a arch.Args) (uintptr, error) {
	return uintptr(t.FS().SetUmask(a[0].Uint() & 0777)), nil
}
