package syscalls

import (
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

const (
	maxXattrName = 255
	maxXattrSize = 65536
	maxXattrList = 65536
)

// xattrCall makes the three forms of a call: by name, by name without
// following, by descriptor. do gets the path; a is shifted so that a[1] is what
// follows it.
type xattrCall func(t *kernel.Task, p vfs.Path, a arch.Args) (uintptr, error)

func (c xattrCall) path(t *kernel.Task, a arch.Args) (uintptr, error)  { return c.named(t, a, true) }
func (c xattrCall) lpath(t *kernel.Task, a arch.Args) (uintptr, error) { return c.named(t, a, false) }

func (c xattrCall) named(t *kernel.Task, a arch.Args, follow bool) (uintptr, error) {
	p, err := walkArg(t, unix.AT_FDCWD, a[0], follow, false)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return c(t, p, a)
}

func (c xattrCall) fd(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if f.Path.Dentry == nil {
		return 0, unix.EOPNOTSUPP
	}
	return c(t, f.Path, a)
}

// xattrName copies a name in: ERANGE for none and one too long, EINVAL for a
// prefix with nothing after it.
func xattrName(t *kernel.Task, addr arch.Arg) (string, error) {
	name, err := usermem.CString(t.Mem(), usermem.Addr(addr), maxXattrName+1)
	if err == unix.ENAMETOOLONG || err == nil && name == "" {
		return "", unix.ERANGE
	}
	switch name {
	case "user.", "trusted.", "security.", "system.":
		return "", unix.EINVAL
	}
	return name, err
}

func setXattr(t *kernel.Task, p vfs.Path, a arch.Args) (uintptr, error) {
	flags := a[4].Int()
	if flags&^int32(unix.XATTR_CREATE|unix.XATTR_REPLACE) != 0 {
		return 0, unix.EINVAL
	}
	name, err := xattrName(t, a[1])
	if err != nil {
		return 0, err
	}
	if a[3].Size() > maxXattrSize {
		return 0, unix.E2BIG
	}
	value := make([]byte, a[3].Size())
	if _, err := t.Mem().CopyIn(usermem.Addr(a[2]), value); err != nil {
		return 0, err
	}
	return 0, vfs.SetXattr(t, p, name, value, flags)
}

func getXattr(t *kernel.Task, p vfs.Path, a arch.Args) (uintptr, error) {
	name, err := xattrName(t, a[1])
	if err != nil {
		return 0, err
	}
	value, err := vfs.GetXattr(t, p, name)
	if err != nil {
		return 0, err
	}
	return outXattr(t, value, a[2], a[3])
}

func listXattr(t *kernel.Task, p vfs.Path, a arch.Args) (uintptr, error) {
	names, err := vfs.ListXattr(t, p)
	if err != nil {
		return 0, err
	}
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n)
		b.WriteByte(0)
	}
	if b.Len() > maxXattrList {
		return 0, unix.E2BIG
	}
	return outXattr(t, []byte(b.String()), a[1], a[2])
}

// outXattr writes b out; a buffer of size 0 asks for the length only.
func outXattr(t *kernel.Task, b []byte, addr, size arch.Arg) (uintptr, error) {
	if size == 0 {
		return uintptr(len(b)), nil
	}
	if uint64(len(b)) > size.Size() {
		return 0, unix.ERANGE
	}
	_, err := t.Mem().CopyOut(usermem.Addr(addr), b)
	return uintptr(len(b)), err
}

func removeXattr(t *kernel.Task, p vfs.Path, a arch.Args) (uintptr, error) {
	name, err := xattrName(t, a[1])
	if err != nil {
		return 0, err
	}
	return 0, vfs.RemoveXattr(t, p, name)
}
