package gofer

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// hostFile is a descriptor that the gofer donated. It is open as long as it has
// users: open files and mappings; and its inode, which keeps it for the next one.
type hostFile struct {
	fd       int `snapshot:"-"`
	writable bool
	refs     int // guarded by its regular's host.mu
}

// hosts are the donated descriptors of a regular file.
type hosts struct {
	mu sync.Mutex // guards the rest; held over a round trip to the gofer, under no other lock
	// They are kept for whoever opens next; nil if there is none. wo is of a file that
	// the gofer may write and not read.
	ro, rw, wo *hostFile
}

// acquire returns the file's descriptor for an access of open(2), with a reference. What
// may be written can be read by it too, if the gofer may.
func (r *regular) acquire(access uint32) (*hostFile, error) {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	if access == unix.O_RDONLY {
		return r.open(&r.host.ro, access)
	}
	h, err := r.open(&r.host.rw, unix.O_RDWR)
	if err == unix.EACCES && access == unix.O_WRONLY {
		return r.open(&r.host.wo, access)
	}
	return h, err
}

// open returns the descriptor that is kept, or gets one. host.mu is held.
func (r *regular) open(kept **hostFile, flags uint32) (*hostFile, error) {
	if h := *kept; h != nil {
		h.refs++
		return h, nil
	}
	_, fd, err := r.fs.c.Call(&proto.Request{Op: proto.Open, Fid: r.fid, Flags: flags})
	if err != nil {
		return nil, err
	}
	if fd < 0 {
		return nil, unix.EIO
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return nil, unix.EIO
	}
	h := &hostFile{fd: fd, writable: flags != unix.O_RDONLY, refs: 2} // the caller's and the inode's
	*kept = h
	return h, nil
}

// writable returns the descriptor for writing, with a reference; nil if none is
// open.
func (r *regular) writable() *hostFile {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	h := r.host.rw
	if h == nil {
		h = r.host.wo
	}
	if h != nil {
		h.refs++
	}
	return h
}

// release drops a reference.
func (r *regular) release(h *hostFile) {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	if h.refs--; h.refs == 0 {
		_ = unix.Close(h.fd)
	}
}

// best returns a descriptor that is open already, for mm; the rw one if there is
// one.
func (r *regular) best() *hostFile {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	if r.host.rw != nil {
		return r.host.rw
	}
	return r.host.ro
}

// drop lets the inode's own references go.
func (r *regular) drop() {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	for _, h := range []*hostFile{r.host.ro, r.host.rw, r.host.wo} {
		if h == nil {
			continue
		}
		if h.refs--; h.refs == 0 {
			_ = unix.Close(h.fd)
		}
	}
	r.host.ro, r.host.rw, r.host.wo = nil, nil, nil
}

var _ mm.Mappable = (*regular)(nil)

// Translate implements mm.Mappable: the bytes lie in the host's file at the same
// offset, and in the host's page cache.
func (r *regular) Translate(off, length uint64, write bool) (mm.Segment, error) {
	h := r.best()
	if h == nil || write && !h.writable {
		return mm.Segment{}, unix.EIO
	}
	size, err := r.sizeOf(h)
	if err != nil {
		return mm.Segment{}, err
	}
	end := (uint64(size) + usermem.PageSize - 1) &^ (usermem.PageSize - 1)
	if off >= end {
		return mm.Segment{}, unix.ENXIO
	}
	s := mm.Segment{Off: off, Len: min(length, end-off), FD: h.fd, Pos: off, Prot: unix.PROT_READ | unix.PROT_EXEC}
	if h.writable {
		s.Prot |= unix.PROT_WRITE
	}
	return s, nil
}

// sizeOf returns how long the file is.
func (r *regular) sizeOf(h *hostFile) (int64, error) {
	if r.fs.opts.Exclusive && r.fs.opts.ReadOnly {
		return r.fixedSize, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return 0, err
	}
	return st.Size, nil
}

// AddMapping implements mm.Mappable. The vma's name keeps the open file, and
// that the descriptor.
func (*regular) AddMapping(mm.Space, usermem.Range, uint64, bool) error { return nil }

// RemoveMapping implements mm.Mappable.
func (*regular) RemoveMapping(mm.Space, usermem.Range, uint64, bool) {}

// transfer is preadv(2) or pwritev(2) with iovecs as they are.
func transfer(nr uintptr, fd int, iov []unix.Iovec, off int64) (uint64, error) {
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
