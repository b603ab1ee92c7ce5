package syscalls

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/fsimpl/epoll"
	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// epollCreate is epoll_create(2): the size is only checked.
func epollCreate(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[0].Int() <= 0 {
		return 0, unix.EINVAL
	}
	return install(t, epoll.New(t.Kernel().Anon(), t.Cred()), false)
}

// epollCreate1 is epoll_create1(2).
func epollCreate1(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[0].Uint()
	if flags&^uint32(unix.EPOLL_CLOEXEC) != 0 {
		return 0, unix.EINVAL
	}
	return install(t, epoll.New(t.Kernel().Anon(), t.Cred()), flags != 0)
}

// epollCtl is epoll_ctl(2).
func epollCtl(t *kernel.Task, a arch.Args) (uintptr, error) {
	op, fd := a[1].Int(), a[2].Int()
	var ev unix.EpollEvent
	if op != unix.EPOLL_CTL_DEL {
		var err error
		if ev, err = usermem.In[unix.EpollEvent](t.Mem(), usermem.Addr(a[3])); err != nil {
			return 0, err
		}
	}
	ef, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer ef.DecRef(t)
	f, err := t.Files().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if !pollable(f) {
		return 0, unix.EPERM
	}
	set := epoll.Of(ef)
	if set == nil || f == ef {
		return 0, unix.EINVAL
	}
	data := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
	switch op {
	case unix.EPOLL_CTL_ADD:
		return 0, set.Add(f, fd, ev.Events, data)
	case unix.EPOLL_CTL_MOD:
		if ev.Events&unix.EPOLLEXCLUSIVE != 0 {
			return 0, unix.EINVAL
		}
		return 0, set.Modify(f, fd, ev.Events, data)
	case unix.EPOLL_CTL_DEL:
		return 0, set.Delete(f, fd)
	}
	return 0, unix.EINVAL
}

// pollable reports whether a file can be in a set: not what is always ready.
func pollable(f *vfs.File) bool {
	if p, ok := f.Impl().(vfs.Pollable); ok {
		return p.Pollable()
	}
	i := f.Path.Inode()
	return i == nil || i.Type != unix.S_IFREG && i.Type != unix.S_IFDIR
}

// epollWait is epoll_wait(2).
func epollWait(t *kernel.Task, a arch.Args) (uintptr, error) {
	return waitSet(t, a, millis(a[3].Int()))
}

// epollPwait is epoll_pwait(2).
func epollPwait(t *kernel.Task, a arch.Args) (uintptr, error) {
	if err := maskArg(t, a[4], a[5]); err != nil {
		return 0, err
	}
	return waitSet(t, a, millis(a[3].Int()))
}

// epollPwait2 is epoll_pwait2(2).
func epollPwait2(t *kernel.Task, a arch.Args) (uintptr, error) {
	w, err := timespecArg(t, a[3])
	if err != nil {
		return 0, err
	}
	if err := maskArg(t, a[4], a[5]); err != nil {
		return 0, err
	}
	return waitSet(t, a, w)
}

func waitSet(t *kernel.Task, a arch.Args, w timeout) (uintptr, error) {
	const size = unsafe.Sizeof(unix.EpollEvent{})
	n := a[2].Int()
	if n <= 0 || uintptr(n) > 1<<31/size {
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	set := epoll.Of(f)
	if set == nil {
		return 0, unix.EINVAL
	}
	at, got := usermem.Addr(a[1]), 0
	collect := func() error {
		got, err = set.Collect(int(n), func(events uint32, data uint64) error {
			ev := unix.EpollEvent{Events: events, Fd: int32(data), Pad: int32(data >> 32)}
			if err := usermem.Out(t.Mem(), at, &ev); err != nil {
				return err
			}
			at += usermem.Addr(size)
			return nil
		})
		if err == nil && got == 0 {
			return unix.EAGAIN
		}
		return err
	}
	if w.now() {
		err = collect()
	} else {
		err = current.Retry(t, f, wait.In, w.deadline, collect)
	}
	switch err {
	case unix.EAGAIN, unix.ETIMEDOUT:
		return 0, nil
	case abi.ERESTARTSYS:
		return 0, unix.EINTR // never made again, whatever the handler says
	}
	return uintptr(got), err
}
