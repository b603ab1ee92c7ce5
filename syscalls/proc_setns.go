package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/nsfs"
	"hull/sentry/arch"
	"hull/sentry/kernel"
)

// setns is setns(2), for files of /proc/PID/ns and what is bind mounted of them.
func setns(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	n := nsfs.Of(f)
	if n == nil {
		return 0, unix.EINVAL
	}
	if kind := a[1].Int(); kind != 0 && uint64(kind) != n.Flag() {
		return 0, unix.EINVAL
	}
	return 0, t.SetNS(n)
}
