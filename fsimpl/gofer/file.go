package gofer

import (
	"sync"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// regular is a regular file.
type regular struct {
	inode
	host      hosts
	fixedSize int64      // immutable: the length of a file that nobody changes
	appending sync.Mutex // serialises writers at the end
}

// Release implements vfs.InodeImpl.
func (r *regular) Release() {
	r.drop()
	r.inode.Release()
}

// Open implements vfs.InodeImpl.
func (r *regular) Open(_ current.Task, f *vfs.File) (vfs.FileImpl, error) {
	access := f.Flags() & unix.O_ACCMODE
	if access != unix.O_RDONLY && r.fs.opts.ReadOnly {
		return nil, unix.EROFS
	}
	h, err := r.acquire(access)
	if err != nil {
		return nil, err
	}
	return &file{r: r, h: h}, nil
}

// SetStat implements vfs.InodeImpl. A descriptor that is open for writing sets the
// size without a round trip, and whether or not the file still has a name.
func (r *regular) SetStat(t current.Task, s vfs.SetStat) error {
	if s.Mask&vfs.SetSize == 0 {
		return r.inode.SetStat(t, s)
	}
	h := r.writable()
	if h == nil {
		return r.inode.SetStat(t, s)
	}
	defer r.release(h)
	if err := unix.Ftruncate(h.fd, s.Size); err != nil {
		return err
	}
	r.forgetCaps()
	(&file{r: r, h: h}).refresh()
	if s.Mask &^= vfs.SetSize; s.Mask == 0 {
		return nil
	}
	return r.inode.SetStat(t, s)
}

// file is an open regular file.
type file struct {
	vfs.AlwaysReady
	vfs.NoIoctl
	r *regular
	h *hostFile
}

var (
	_ vfs.Mapper    = (*file)(nil)
	_ vfs.Syncer    = (*file)(nil)
	_ vfs.Allocater = (*file)(nil)
	_ vfs.Seeker    = (*file)(nil)
)

// maxTransfer is how much of a buffer is moved by one host call, in bytes.
const maxTransfer = 1 << 20

// Read implements vfs.FileImpl: from the host's file straight into guest pages.
func (f *file) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, off int64) (int64, error) {
	var done int64
	for dst.Len() > 0 {
		want := min(dst.Len(), maxTransfer)
		n, err := dst.Direct(want, true, func(iov []unix.Iovec) (uint64, error) {
			return transfer(unix.SYS_PREADV, f.h.fd, iov, off+done)
		})
		done += int64(n)
		if err != nil && done == 0 {
			return 0, err
		}
		if err != nil || n == 0 {
			break
		}
	}
	return done, nil
}

// Write implements vfs.FileImpl.
func (f *file) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	if off == vfs.Append {
		// Appending is atomic among guests: writers of one inode take turns.
		f.r.appending.Lock()
		defer f.r.appending.Unlock()
		size, err := f.r.sizeOf(f.h)
		if err != nil {
			return 0, 0, err
		}
		off = size
	}
	var done int64
	for src.Len() > 0 {
		want := min(src.Len(), maxTransfer)
		n, err := src.Direct(want, false, func(iov []unix.Iovec) (uint64, error) {
			return transfer(unix.SYS_PWRITEV, f.h.fd, iov, off+done)
		})
		done += int64(n)
		if err != nil && done == 0 {
			return 0, off, err
		}
		if err != nil || n == 0 {
			break
		}
	}
	if done > 0 {
		f.refresh()
	}
	return done, off + done, nil
}

// refresh learns size and times from the descriptor, without a round trip.
func (f *file) refresh() {
	var st unix.Stat_t
	if unix.Fstat(f.h.fd, &st) != nil {
		return
	}
	i := &f.r.inode
	i.mu.Lock()
	a := &i.mu.attr
	a.Size, a.Blocks, a.Mode = st.Size, uint64(st.Blocks), st.Mode
	a.Mtime, a.Ctime = proto.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}, proto.Time{Sec: st.Ctim.Sec, Nsec: uint32(st.Ctim.Nsec)}
	i.mu.Unlock()
}

// Map implements vfs.Mapper.
func (f *file) Map(_ current.Task, _ *vfs.File, o *mm.MapOpts) (mm.Mappable, error) { return f.r, nil }

// Sync implements vfs.Syncer.
func (f *file) Sync(_ current.Task, _ *vfs.File, dataOnly bool) error {
	if dataOnly {
		return unix.Fdatasync(f.h.fd)
	}
	return unix.Fsync(f.h.fd)
}

// Allocate implements vfs.Allocater.
func (f *file) Allocate(_ current.Task, _ *vfs.File, mode uint32, off, length int64) error {
	err := unix.Fallocate(f.h.fd, mode, off, length)
	f.refresh()
	return err
}

// Seek implements vfs.Seeker: the host knows the holes.
func (f *file) Seek(t current.Task, _ *vfs.File, off int64, whence int32) (int64, error) {
	switch whence {
	case unix.SEEK_SET:
	case unix.SEEK_END:
		a, err := f.r.attr()
		if err != nil {
			return 0, err
		}
		off += a.Size
	case unix.SEEK_DATA, unix.SEEK_HOLE:
		// The descriptor's own offset means nothing: all I/O says where.
		return unix.Seek(f.h.fd, off, int(whence))
	default:
		return 0, unix.EINVAL
	}
	if off < 0 {
		return 0, unix.EINVAL
	}
	return off, nil
}

// Release implements vfs.FileImpl.
func (f *file) Release(current.Task, *vfs.File) { f.r.release(f.h) }
