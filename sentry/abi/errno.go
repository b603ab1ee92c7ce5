// Package abi has the Linux numbers and wire structs that golang.org/x/sys/unix
// lacks. It holds no behaviour.
package abi

import "golang.org/x/sys/unix"

// Restart codes: what a system call that a signal interrupted returns inside
// the kernel (include/linux/errno.h). The guest never sees them: on the way out
// the kernel turns them into EINTR or issues the call again.
const (
	// ERESTARTSYS: again, unless a handler without SA_RESTART runs.
	ERESTARTSYS = unix.Errno(512)
	// ERESTARTNOINTR: again, always.
	ERESTARTNOINTR = unix.Errno(513)
	// ERESTARTNOHAND: again, unless a handler runs.
	ERESTARTNOHAND = unix.Errno(514)
	// ERESTART_RESTARTBLOCK: again through restart_syscall(2) with what the
	// call left in the task's restart block, unless a handler runs.
	ERESTART_RESTARTBLOCK = unix.Errno(516)
)
