package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// bufferArg returns the memory of a read or write. EFAULT for what can be no
// user's memory.
func bufferArg(t *kernel.Task, addr, size arch.Arg) (usermem.Buffer, error) {
	if _, ok := usermem.Addr(addr).Add(size.Size()); !ok || int64(size) < 0 {
		return usermem.Buffer{}, unix.EFAULT
	}
	return usermem.One(t.Mem(), usermem.Addr(addr), size.Size()), nil
}

// read is read(2).
func read(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	b, err := bufferArg(t, a[1], a[2])
	if err != nil {
		return 0, err
	}
	n, err := f.Read(t, b)
	return uintptr(n), err
}

// write is write(2).
func write(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	b, err := bufferArg(t, a[1], a[2])
	if err != nil {
		return 0, err
	}
	n, err := f.Write(t, b)
	return uintptr(n), err
}

// pread64 is pread(2).
func pread64(t *kernel.Task, a arch.Args) (uintptr, error) {
	off := a[3].Int64()
	if off < 0 {
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	b, err := bufferArg(t, a[1], a[2])
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(t, b, off)
	return uintptr(n), err
}

// pwrite64 is pwrite(2).
func pwrite64(t *kernel.Task, a arch.Args) (uintptr, error) {
	off := a[3].Int64()
	if off < 0 {
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	b, err := bufferArg(t, a[1], a[2])
	if err != nil {
		return 0, err
	}
	n, err := f.WriteAt(t, b, off)
	return uintptr(n), err
}
