package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/inotify"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// inotifyInit is inotify_init(2).
func inotifyInit(t *kernel.Task, _ arch.Args) (uintptr, error) { return makeInotify(t, 0) }

// inotifyInit1 is inotify_init1(2).
func inotifyInit1(t *kernel.Task, a arch.Args) (uintptr, error) { return makeInotify(t, a[0].Uint()) }

func makeInotify(t *kernel.Task, flags uint32) (uintptr, error) {
	if flags&^uint32(unix.IN_CLOEXEC|unix.IN_NONBLOCK) != 0 {
		return 0, unix.EINVAL
	}
	return install(t, inotify.New(t.Kernel().Anon(), t.Cred(), flags&unix.IN_NONBLOCK), flags&unix.IN_CLOEXEC != 0)
}

// inotifyAddWatch is inotify_add_watch(2).
func inotifyAddWatch(t *kernel.Task, a arch.Args) (uintptr, error) {
	mask := a[2].Uint()
	if err := inotify.CheckMask(mask); err != nil {
		return 0, err
	}
	f, in, err := inotifyArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	p, err := walkArg(t, unix.AT_FDCWD, a[1], mask&unix.IN_DONT_FOLLOW == 0, false)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	if mask&unix.IN_ONLYDIR != 0 && p.Inode().Type != unix.S_IFDIR {
		return 0, unix.ENOTDIR
	}
	if err := vfs.Access(t, p, vfs.MayRead, false); err != nil {
		return 0, err
	}
	wd, err := in.Add(p.Inode(), mask)
	return uintptr(wd), err
}

// inotifyRmWatch is inotify_rm_watch(2).
func inotifyRmWatch(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, in, err := inotifyArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, in.Remove(a[1].Int())
}

func inotifyArg(t *kernel.Task, fd arch.Arg) (*vfs.File, *inotify.Instance, error) {
	f, err := fileArg(t, fd)
	if err != nil {
		return nil, nil, err
	}
	in := inotify.Of(f)
	if in == nil {
		f.DecRef(t)
		return nil, nil, unix.EINVAL
	}
	return f, in, nil
}
