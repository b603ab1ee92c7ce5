package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// fsync is fsync(2).
func fsync(t *kernel.Task, a arch.Args) (uintptr, error) { return syncFile(t, a[0], false) }

// fdatasync is fdatasync(2).
func fdatasync(t *kernel.Task, a arch.Args) (uintptr, error) { return syncFile(t, a[0], true) }

func syncFile(t *kernel.Task, fd arch.Arg, dataOnly bool) (uintptr, error) {
	f, err := fileArg(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, f.Sync(t, dataOnly)
}

// syncfs is syncfs(2).
func syncfs(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if i := f.Path.Inode(); i != nil {
		return 0, i.FS.Impl.Sync(t)
	}
	return 0, nil
}

// syncAll is sync(2): it has no way to fail.
func syncAll(t *kernel.Task, _ arch.Args) (uintptr, error) {
	t.MountNS().Sync(t)
	return 0, nil
}

// offsets checks a range of a file as the calls below take one: EINVAL,
// and ESPIPE for streams.
func offsets(f *vfs.File, off, n int64) error {
	if off < 0 || n < 0 || off+n < off {
		return unix.EINVAL
	}
	if f.Stream {
		return unix.ESPIPE
	}
	return nil
}

// syncFileRange is sync_file_range(2): more than the range is written.
func syncFileRange(t *kernel.Task, a arch.Args) (uintptr, error) {
	const known = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if a[3].Uint()&^uint32(known) != 0 {
		return 0, unix.EINVAL
	}
	if err := offsets(f, a[1].Int64(), a[2].Int64()); err != nil {
		return 0, err
	}
	if a[3].Uint() == 0 {
		return 0, nil
	}
	return 0, f.Sync(t, true)
}

// fadvise64 is posix_fadvise(2): the advice is checked; the host decides itself
// what to cache.
func fadvise64(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if f.Stream {
		return 0, unix.ESPIPE
	}
	if a[2].Int64() < 0 || a[3].Uint() > unix.FADV_NOREUSE {
		return 0, unix.EINVAL
	}
	return 0, nil
}

// readahead is readahead(2), a hint as well.
func readahead(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if f.Flags()&unix.O_ACCMODE == unix.O_WRONLY {
		return 0, unix.EBADF
	}
	i := f.Path.Inode()
	if i == nil || i.Type != unix.S_IFREG && i.Type != unix.S_IFBLK {
		return 0, unix.EINVAL
	}
	return 0, nil
}
