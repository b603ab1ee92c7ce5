package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/eventfd"
	"hull/sentry/arch"
	"hull/sentry/kernel"
)

// eventfd1 is eventfd(2), the old call without flags.
func eventfd1(t *kernel.Task, a arch.Args) (uintptr, error) { return makeEvent(t, a[0].Uint(), 0) }

// eventfd2 is eventfd2(2).
func eventfd2(t *kernel.Task, a arch.Args) (uintptr, error) {
	return makeEvent(t, a[0].Uint(), a[1].Uint())
}

func makeEvent(t *kernel.Task, initial, flags uint32) (uintptr, error) {
	if flags&^uint32(unix.EFD_SEMAPHORE|unix.EFD_CLOEXEC|unix.EFD_NONBLOCK) != 0 {
		return 0, unix.EINVAL
	}
	f := eventfd.New(t.Kernel().Anon(), t.Cred(), initial, flags&unix.EFD_SEMAPHORE != 0, flags&unix.EFD_NONBLOCK)
	return install(t, f, flags&unix.EFD_CLOEXEC != 0)
}
