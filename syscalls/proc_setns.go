package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/nsfs"
	"hull/fsimpl/pidfd"
	"hull/sentry/arch"
	"hull/sentry/kernel"
)

// namespaces are the kinds that setns(2) takes of a process.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWTIME | unix.CLONE_NEWCGROUP

// setns is setns(2), for files of /proc/PID/ns, what is bind mounted of them, and pidfds.
func setns(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if r, ok := pidfd.Of(f); ok {
		flags := a[1].Uint()
		if flags == 0 || flags&^namespaces != 0 {
			return 0, unix.EINVAL
		}
		return 0, t.SetNSOf(r, uint64(flags))
	}
	n := nsfs.Of(f)
	if n == nil {
		return 0, unix.EINVAL
	}
	if kind := a[1].Int(); kind != 0 && uint64(kind) != n.Flag() {
		return 0, unix.EINVAL
	}
	return 0, t.SetNS(n)
}
