package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

const (
	fSetOwnEx = 15
	fGetOwnEx = 16
)

// fcntlOwner is F_SETOWN and its kin.
func fcntlOwner(t *kernel.Task, f *vfs.File, cmd int32, arg arch.Arg) (uintptr, error) {
	return 0, unix.EINVAL
}
