package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// processVMReadv is process_vm_readv(2).
func processVMReadv(t *kernel.Task, a arch.Args) (uintptr, error) {
	return processVM(t, a, func(local, remote *usermem.Buffer, buf []byte) (int, error) {
		return moveBytes(local, remote, buf)
	})
}

// processVMWritev is process_vm_writev(2).
func processVMWritev(t *kernel.Task, a arch.Args) (uintptr, error) {
	return processVM(t, a, func(local, remote *usermem.Buffer, buf []byte) (int, error) {
		return moveBytes(remote, local, buf)
	})
}

// moveBytes copies len(buf) bytes.
func moveBytes(to, from *usermem.Buffer, buf []byte) (int, error) {
	n, err := from.CopyIn(buf)
	m, werr := to.CopyOut(buf[:n])
	if m < n || err == nil {
		err = werr
	}
	return m, err
}

// processVM is both: pid, local iovecs, remote iovecs, flags. The other's
// memory obeys its own protection, as if it made the access itself.
func processVM(t *kernel.Task, a arch.Args, move func(local, remote *usermem.Buffer, buf []byte) (int, error)) (uintptr, error) {
	if a[5] != 0 {
		return 0, unix.EINVAL
	}
	if a[2].Size() > usermem.MaxIovecs {
		return 0, unix.EINVAL
	}
	mine, err := usermem.Iovecs(t.Mem(), usermem.Addr(a[1]), int(a[2].Size()))
	if err != nil {
		return 0, err
	}
	local := usermem.Vec(t.Mem(), mine)
	if local.Len() == 0 {
		return 0, nil
	}
	if a[4].Size() > usermem.MaxIovecs {
		return 0, unix.EINVAL
	}
	theirs, err := usermem.Iovecs(t.Mem(), usermem.Addr(a[3]), int(a[4].Size()))
	if err != nil {
		return 0, err
	}
	var total uint64
	for _, r := range theirs {
		total += r.Len()
	}
	if total == 0 {
		return 0, nil
	}
	o := t.PIDNS().Task(a[0].Int())
	if o == nil {
		return 0, unix.ESRCH
	}
	if err := t.MayAccess(o, true); err != nil {
		return 0, err
	}
	space := o.PeekMM()
	if space == nil {
		return 0, unix.ESRCH
	}
	defer space.DecUsers()
	remote := usermem.Vec(space, theirs)
	const most = 64 << 10
	left := min(local.Len(), remote.Len())
	buf := make([]byte, min(left, most))
	var done uintptr
	for left > 0 && err == nil {
		var n int
		n, err = move(&local, &remote, buf[:min(left, most)])
		done += uintptr(n)
		left -= uint64(n)
	}
	if done > 0 {
		return done, nil
	}
	return 0, err
}
