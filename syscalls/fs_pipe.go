package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/pipe"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// pipe1 is pipe(2).
func pipe1(t *kernel.Task, a arch.Args) (uintptr, error) { return makePipe(t, a[0], 0) }

// pipe2 is pipe2(2).
func pipe2(t *kernel.Task, a arch.Args) (uintptr, error) { return makePipe(t, a[0], a[1].Uint()) }

func makePipe(t *kernel.Task, addr arch.Arg, flags uint32) (uintptr, error) {
	if flags&^uint32(unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_DIRECT) != 0 {
		return 0, unix.EINVAL
	}
	r, w := pipe.New(t.Kernel().Anon(), t.Cred(), flags&^unix.O_CLOEXEC)
	return installPair(t, r, w, flags&unix.O_CLOEXEC != 0, addr)
}

// installPair gives two files, whose references it takes over, descriptors and
// writes these to addr as two ints. On failure nothing is left open.
func installPair(t *kernel.Task, x, y *vfs.File, cloexec bool, addr arch.Arg) (uintptr, error) {
	fx, err := install(t, x, cloexec)
	if err != nil {
		y.DecRef(t)
		return 0, err
	}
	fy, err := install(t, y, cloexec)
	if err != nil {
		t.Files().Close(t, int32(fx))
		return 0, err
	}
	fds := [2]int32{int32(fx), int32(fy)}
	if err := usermem.Out(t.Mem(), usermem.Addr(addr), &fds); err != nil {
		t.Files().Close(t, fds[0])
		t.Files().Close(t, fds[1])
		return 0, err
	}
	return 0, nil
}
