package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
)

// closeFD is close(2).
func closeFD(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.Files().Close(t, a[0].Int())
}

// closeRange is close_range(2).
func closeRange(t *kernel.Task, a arch.Args) (uintptr, error) {
	first, last, flags := a[0].Uint(), a[1].Uint(), a[2].Uint()
	if flags&^(unix.CLOSE_RANGE_UNSHARE|unix.CLOSE_RANGE_CLOEXEC) != 0 || first > last {
		return 0, unix.EINVAL
	}
	if flags&unix.CLOSE_RANGE_UNSHARE != 0 {
		if err := t.Unshare(unix.CLONE_FILES); err != nil {
			return 0, err
		}
	}
	return 0, t.Files().CloseRange(t, first, last, flags&unix.CLOSE_RANGE_CLOEXEC != 0)
}
