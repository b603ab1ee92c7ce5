package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
)

const seekMax = 4 // SEEK_HOLE

// lseek is lseek(2).
func lseek(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if a[2].Uint() > seekMax {
		return 0, unix.EINVAL
	}
	off, err := f.Seek(t, a[1].Int64(), a[2].Int())
	return uintptr(off), err
}
