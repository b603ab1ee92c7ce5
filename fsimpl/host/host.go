// Package host has open files that are descriptors of the host: the standard
// streams of whoever started the sandbox.
//
//   - Reads and writes are made on the descriptor itself, so that offset and end
//     of file are shared with everybody else who has it.
//   - The descriptor's flags are never changed: they are the caller's too. So a
//     file that may block is asked with poll(2) first, and a goroutine polls on
//     for those who wait.
//   - It has no names: what the descriptor is, fstat says.
package host

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// File is an open file of the host.
type File struct {
	*handle        // immutable, with a reference
	typ     uint32 // immutable: S_IFMT bits
}

// New makes a description of fd, which it takes over. flags are open(2)'s, as
// the caller has it open.
func New(anon *vfs.AnonFS, fd int, flags uint32, cred *auth.Cred) (*vfs.File, error) {
	h, err := Wrap(fd)
	if err != nil {
		return nil, err
	}
	impl := vfs.FileImpl(h)
	if h.typ == unix.S_IFSOCK {
		impl = newSock(h, nil)
	}
	return vfs.Anonymous(anon, impl, h.Name(), h.typ|0600, flags, cred, h.IsStream()), nil
}

// Wrap makes a File of fd, which it takes over.
func Wrap(fd int) (*File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("fstat: %w", err)
	}
	return &File{handle: newHandle(fd), typ: st.Mode & unix.S_IFMT}, nil
}

// Share returns another File of the same descriptor.
func (h *File) Share() *File {
	h.handle.refs.Add(1)
	return &File{handle: h.handle, typ: h.typ}
}

// FD returns the descriptor, which is the File's.
func (h *File) FD() int { return h.fd }

// Name is what /proc/PID/fd shows: the host's own names are not the guest's to
// know.
func (h *File) Name() string {
	switch h.typ {
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "host:[file]"
}

// IsStream implements vfs.Streamer.
func (h *File) IsStream() bool { return h.typ != unix.S_IFREG && h.typ != unix.S_IFBLK }

var (
	_ vfs.FileImpl   = (*File)(nil)
	_ vfs.Positioned = (*File)(nil)
	_ vfs.Statter    = (*File)(nil)
	_ vfs.Reopener   = (*File)(nil)
	_ vfs.Syncer     = (*File)(nil)
	_ vfs.Truncater  = (*File)(nil)
	_ vfs.Mapper     = (*File)(nil)
)

// FileStat implements vfs.Statter.
func (h *File) FileStat(current.Task) (vfs.Stat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return vfs.Stat{}, err
	}
	t := func(t unix.Timespec) vfs.Time { return vfs.Time{Sec: t.Sec, Nsec: int32(t.Nsec)} }
	return vfs.Stat{Mask: unix.STATX_BASIC_STATS, Mode: st.Mode, Nlink: uint32(st.Nlink), UID: st.Uid, GID: st.Gid, Ino: st.Ino,
		Size: st.Size, Blocks: uint64(st.Blocks), BlockSize: uint32(st.Blksize), Dev: vfs.Dev(st.Dev), Rdev: vfs.Dev(st.Rdev),
		Atime: t(st.Atim), Mtime: t(st.Mtim), Ctime: t(st.Ctim)}, nil
}

// Reopen implements vfs.Reopener: /dev/stdout is opened again as what it is.
func (h *File) Reopen(_ current.Task, f *vfs.File) (vfs.FileImpl, error) {
	flags, err := unix.FcntlInt(uintptr(h.fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	have, want := uint32(flags)&unix.O_ACCMODE, f.Flags()&unix.O_ACCMODE
	if have != unix.O_RDWR && have != want {
		return nil, unix.EACCES
	}
	return h.Share(), nil
}

// ready reports whether a read or write would not block now.
func (h *File) ready(event int16) bool {
	if !h.IsStream() {
		return true
	}
	return poll(h.fd, event, 0)&(event|unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// vector is readv(2) or one of its kin. off is used by those with an offset.
func vector(nr uintptr, fd int, iov []unix.Iovec, off int64) (uint64, error) {
	if len(iov) == 0 {
		return 0, nil
	}
	for {
		n, _, e := unix.Syscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)), uintptr(off), 0, 0)
		switch e {
		case 0:
			return uint64(n), nil
		case unix.EINTR:
			continue
		}
		return 0, e
	}
}

// maxTransfer is how much one host call moves, in bytes.
const maxTransfer = 1 << 20

// ReadNext implements vfs.Positioned.
func (h *File) ReadNext(_ current.Task, _ *vfs.File, dst usermem.Buffer) (int64, error) {
	if !h.ready(unix.POLLIN) {
		h.watch(reading)
		return 0, unix.EAGAIN
	}
	n, err := dst.Direct(min(dst.Len(), maxTransfer), true, func(iov []unix.Iovec) (uint64, error) {
		return vector(unix.SYS_READV, h.fd, iov, 0)
	})
	return int64(n), err
}

// WriteNext implements vfs.Positioned. What may block takes no more at a time
// than a pipe that is ready has room for.
func (h *File) WriteNext(t current.Task, _ *vfs.File, src usermem.Buffer) (int64, error) {
	most := uint64(maxTransfer)
	if h.IsStream() {
		if !h.ready(unix.POLLOUT) {
			h.watch(writing)
			return 0, unix.EAGAIN
		}
		if h.typ == unix.S_IFIFO {
			most = 4096 // PIPE_BUF: what POLLOUT promises
		}
	}
	n, err := src.Direct(min(src.Len(), most), false, func(iov []unix.Iovec) (uint64, error) {
		return vector(unix.SYS_WRITEV, h.fd, iov, 0)
	})
	if err == unix.EPIPE {
		t.Signal(int(unix.SIGPIPE))
	}
	return int64(n), err
}

// Read implements vfs.FileImpl.
func (h *File) Read(t current.Task, f *vfs.File, dst usermem.Buffer, off int64) (int64, error) {
	if h.IsStream() {
		return h.ReadNext(t, f, dst)
	}
	n, err := dst.Direct(min(dst.Len(), maxTransfer), true, func(iov []unix.Iovec) (uint64, error) {
		return vector(unix.SYS_PREADV, h.fd, iov, off)
	})
	return int64(n), err
}

// Write implements vfs.FileImpl.
func (h *File) Write(t current.Task, f *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	if h.IsStream() || off == vfs.Append {
		n, err := h.WriteNext(t, f, src)
		return n, off, err
	}
	n, err := src.Direct(min(src.Len(), maxTransfer), false, func(iov []unix.Iovec) (uint64, error) {
		return vector(unix.SYS_PWRITEV, h.fd, iov, off)
	})
	return int64(n), off + int64(n), err
}

// Seek implements vfs.Seeker.
func (h *File) Seek(_ current.Task, _ *vfs.File, off int64, whence int32) (int64, error) {
	return unix.Seek(h.fd, off, int(whence))
}

// Truncate implements vfs.Truncater.
func (h *File) Truncate(_ current.Task, _ *vfs.File, size int64) error {
	return unix.Ftruncate(h.fd, size)
}

// Sync implements vfs.Syncer.
func (h *File) Sync(_ current.Task, _ *vfs.File, dataOnly bool) error {
	if dataOnly {
		return unix.Fdatasync(h.fd)
	}
	return unix.Fsync(h.fd)
}

// Ioctl implements vfs.FileImpl.
func (h *File) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	if cmd != unix.TIOCINQ || h.typ != unix.S_IFIFO && h.typ != unix.S_IFSOCK {
		return 0, unix.ENOTTY
	}
	n, err := unix.IoctlGetInt(h.fd, unix.TIOCINQ)
	if err != nil {
		return 0, err
	}
	v := int32(n)
	return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &v)
}

// Map implements vfs.Mapper.
func (h *File) Map(current.Task, *vfs.File, *mm.MapOpts) (mm.Mappable, error) {
	if h.typ != unix.S_IFREG {
		return nil, unix.ENODEV
	}
	return h, nil
}

// Translate implements mm.Mappable: the host's pages.
func (h *File) Translate(off, length uint64, _ bool) (mm.Segment, error) {
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return mm.Segment{}, err
	}
	end := (uint64(st.Size) + usermem.PageSize - 1) &^ (usermem.PageSize - 1)
	if off >= end {
		return mm.Segment{}, unix.ENXIO
	}
	return mm.Segment{Off: off, Len: min(length, end-off), FD: h.fd, Pos: off,
		Prot: unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC}, nil
}

// AddMapping implements mm.Mappable: the vma's name keeps the file.
func (h *File) AddMapping(mm.Space, usermem.Range, uint64, bool) error { return nil }

// RemoveMapping implements mm.Mappable.
func (h *File) RemoveMapping(mm.Space, usermem.Range, uint64, bool) {}

// Readiness implements wait.Waitable.
func (h *File) Readiness(m wait.Mask) wait.Mask {
	if !h.IsStream() {
		return m & (wait.In | wait.Out | wait.RdNrm | wait.WrNrm)
	}
	const events = unix.POLLIN | unix.POLLOUT | unix.POLLPRI | unix.POLLRDHUP
	return wait.Mask(uint16(poll(h.fd, events, 0))) & (m | wait.Err | wait.Hup)
}

// Register implements wait.Waitable.
func (h *File) Register(e *wait.Entry, m wait.Mask) {
	h.queue.Register(e, m)
	if !h.IsStream() {
		return
	}
	if m&wait.Readable != 0 {
		h.watch(reading)
	}
	if m&(wait.Out|wait.WrNrm) != 0 {
		h.watch(writing)
	}
}

// Unregister implements wait.Waitable. A goroutine that polls for it goes on.
func (h *File) Unregister(e *wait.Entry) { h.queue.Unregister(e) }

// Release implements vfs.FileImpl.
func (h *File) Release(current.Task, *vfs.File) { h.handle.decRef() }
