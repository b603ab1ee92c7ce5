package syscalls

import (
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

const (
	// oLargefile is O_LARGEFILE as the kernel has it; libraries on 64 bits
	// call it 0.
	oLargefile = 0x8000
	oTmpfile   = unix.O_TMPFILE &^ unix.O_DIRECTORY

	openFlags = unix.O_ACCMODE | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC |
		unix.O_APPEND | unix.O_NONBLOCK | unix.O_SYNC | unix.O_ASYNC | unix.O_DIRECT | oLargefile |
		unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME | unix.O_CLOEXEC | unix.O_PATH | unix.O_TMPFILE
	pathFlags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_PATH | unix.O_CLOEXEC

	resolveCached = 0x20
	resolveFlags  = unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS |
		unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT | resolveCached
)

// open is open(2).
func open(t *kernel.Task, a arch.Args) (uintptr, error) {
	return doOpen(t, unix.AT_FDCWD, a[0], a[1].Uint(), a[2].Mode())
}

// creat is creat(2).
func creat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return doOpen(t, unix.AT_FDCWD, a[0], unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC, a[1].Mode())
}

// openat is openat(2).
func openat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return doOpen(t, a[0].Int(), a[1], a[2].Uint(), a[3].Mode())
}

// doOpen is open(2), which passes over what it does not know.
func doOpen(t *kernel.Task, dirfd int32, path arch.Arg, flags, mode uint32) (uintptr, error) {
	how := unix.OpenHow{Flags: uint64(flags&openFlags) | oLargefile, Mode: uint64(mode & 07777)}
	if flags&unix.O_PATH != 0 {
		how.Flags &= pathFlags
	}
	if flags&(unix.O_CREAT|oTmpfile) == 0 {
		how.Mode = 0
	}
	return openHow(t, dirfd, path, how)
}

// openat2 is openat2(2).
func openat2(t *kernel.Task, a arch.Args) (uintptr, error) {
	size := a[3].Size()
	how, err := extensible[unix.OpenHow](t, a[2], size)
	if err != nil {
		return 0, err
	}
	if how.Flags&unix.O_PATH == 0 {
		how.Flags |= oLargefile
	}
	return openHow(t, a[0].Int(), a[1], how)
}

// checkHow refuses what openat2(2) refuses.
func checkHow(how *unix.OpenHow) error {
	f := how.Flags
	creates := f&(unix.O_CREAT|oTmpfile) != 0
	switch {
	case f&^openFlags != 0 || how.Resolve&^resolveFlags != 0:
		return unix.EINVAL
	case how.Resolve&unix.RESOLVE_BENEATH != 0 && how.Resolve&unix.RESOLVE_IN_ROOT != 0:
		return unix.EINVAL
	case how.Mode&^07777 != 0 || !creates && how.Mode != 0:
		return unix.EINVAL
	case f&(unix.O_DIRECTORY|unix.O_CREAT) == unix.O_DIRECTORY|unix.O_CREAT:
		return unix.EINVAL
	case f&oTmpfile != 0 && (f&unix.O_DIRECTORY == 0 || f&unix.O_ACCMODE == unix.O_RDONLY):
		return unix.EINVAL
	case f&unix.O_PATH != 0 && f&^pathFlags != 0:
		return unix.EINVAL
	case how.Resolve&resolveCached != 0 && f&(unix.O_TRUNC|unix.O_CREAT|oTmpfile) != 0:
		return unix.EAGAIN
	}
	return nil
}

func openHow(t *kernel.Task, dirfd int32, path arch.Arg, how unix.OpenHow) (uintptr, error) {
	if err := checkHow(&how); err != nil {
		return 0, err
	}
	name, err := pathArg(t, path)
	if err != nil {
		return 0, err
	}
	from := name
	if how.Resolve&unix.RESOLVE_IN_ROOT != 0 && strings.HasPrefix(name, "/") {
		from = "." // the descriptor is what the name is absolute from
	}
	p, err := placeOf(t, dirfd, from, how.Flags&unix.O_NOFOLLOW == 0, false)
	if err != nil {
		return 0, err
	}
	defer p.done(t)
	p.Name = name
	p.Resolve = how.Resolve
	f, err := vfs.Open(t, p.At, vfs.OpenHow{Flags: how.Flags, Mode: uint32(how.Mode)})
	if err != nil {
		return 0, err
	}
	return install(t, f, how.Flags&unix.O_CLOEXEC != 0)
}

// extensible copies in a struct that may grow in later kernels: a shorter one
// is filled with zeros, what is longer than ours must be zero, else E2BIG. The
// structs concerned have no version shorter than all their fields.
func extensible[T usermem.Plain](t *kernel.Task, addr arch.Arg, size uint64) (T, error) {
	var v T
	b := usermem.BytesOf(&v)
	if size < uint64(len(b)) {
		return v, unix.EINVAL
	}
	if size > usermem.PageSize {
		return v, unix.E2BIG
	}
	buf := make([]byte, size)
	if _, err := t.Mem().CopyIn(usermem.Addr(addr), buf); err != nil {
		return v, err
	}
	for _, c := range buf[len(b):] {
		if c != 0 {
			return v, unix.E2BIG
		}
	}
	copy(b, buf)
	return v, nil
}
