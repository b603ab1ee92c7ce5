package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// xattrArgs is struct xattr_args.
type xattrArgs struct {
	Value       uint64
	Size, Flags uint32
}

// xattrPlace finds what the *xattrat calls are about: a[0], a[1] and a[2] are
// descriptor, name and AT_ flags.
func xattrPlace(t *kernel.Task, a arch.Args) (vfs.Path, error) {
	flags := a[2].Uint()
	if flags&^uint32(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return vfs.Path{}, unix.EINVAL
	}
	return walkArg(t, a[0].Int(), a[1], flags&unix.AT_SYMLINK_NOFOLLOW == 0, flags&unix.AT_EMPTY_PATH != 0)
}

// setxattrat is setxattrat(2).
func setxattrat(t *kernel.Task, a arch.Args) (uintptr, error) {
	x, err := extensible[xattrArgs](t, a[4], a[5].Size())
	if err != nil {
		return 0, err
	}
	p, err := xattrPlace(t, a)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return setXattr(t, p, arch.Args{0, a[3], arch.Arg(x.Value), arch.Arg(x.Size), arch.Arg(x.Flags)})
}

// getxattrat is getxattrat(2).
func getxattrat(t *kernel.Task, a arch.Args) (uintptr, error) {
	x, err := extensible[xattrArgs](t, a[4], a[5].Size())
	if err != nil {
		return 0, err
	}
	if x.Flags != 0 {
		return 0, unix.EINVAL
	}
	p, err := xattrPlace(t, a)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return getXattr(t, p, arch.Args{0, a[3], arch.Arg(x.Value), arch.Arg(x.Size)})
}

// listxattrat is listxattrat(2).
func listxattrat(t *kernel.Task, a arch.Args) (uintptr, error) {
	p, err := xattrPlace(t, a)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return listXattr(t, p, arch.Args{0, a[3], a[4]})
}

// removexattrat is removexattrat(2).
func removexattrat(t *kernel.Task, a arch.Args) (uintptr, error) {
	p, err := xattrPlace(t, a)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	return removeXattr(t, p, arch.Args{0, a[3]})
}
