package inet

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// TCP_ZEROCOPY_RECEIVE: what has arrived is to be mapped where the caller has mapped
// the socket, and what cannot be mapped, because it does not fill pages, he reads, or
// has copied to a buffer that he names. What arrives here never fills pages: it lies in
// chunks with headers between. So nothing is ever mapped, recv_skip_hint says that
// all is to be read, and only the copies are done. Linux is no better where a link
// does not lay headers apart.

// The fields of struct tcp_zerocopy_receive (linux/tcp.h), by their offsets.
const (
	zcAddress      = 0
	zcLength       = 8
	zcSkipHint     = 12
	zcInq          = 16
	zcErr          = 20
	zcCopyAddress  = 24
	zcCopyLen      = 32
	zcMessageFlags = 56
	zcReserved     = 60
	zcSize         = 64

	cmsgTimestamp = 2 // TCP_CMSG_TS, the one flag that may be asked for
)

// tcpMapping is what mmap(2) of a TCP socket maps: nothing, until something is
// received into it.
type tcpMapping struct{ s *Sock }

var _ mm.Mappable = tcpMapping{}

// Translate implements mm.Mappable.
func (tcpMapping) Translate(uint64, uint64, bool) (mm.Segment, error) {
	return mm.Segment{}, unix.ENXIO
}

// AddMapping and RemoveMapping implement mm.Mappable. There is nothing to be kept.
func (tcpMapping) AddMapping(mm.Space, usermem.Range, uint64, bool) error { return nil }

// RemoveMapping implements mm.Mappable.
func (tcpMapping) RemoveMapping(mm.Space, usermem.Range, uint64, bool) {}

// Map implements vfs.Mapper: of a TCP socket, to be read only. EPERM, ENODEV. Where
// sockets are, nothing is executed.
func (s *Sock) Map(_ current.Task, _ *vfs.File, o *mm.MapOpts) (mm.Mappable, error) {
	if o.Prot&unix.PROT_EXEC != 0 {
		return nil, unix.EPERM
	}
	if _, ok := s.st.(stack.Stream); !ok {
		return nil, unix.ENODEV
	}
	if o.Prot&unix.PROT_WRITE != 0 {
		return nil, unix.EPERM
	}
	o.MaxProt = unix.PROT_READ
	return tcpMapping{s}, nil
}

// mapper is an address space that tells what is mapped.
type mapper interface {
	FileAt(addr usermem.Addr) (file mm.Mappable, end usermem.Addr)
}

// zeroReceive is getsockopt(2) of TCP_ZEROCOPY_RECEIVE; in is what the caller passed.
// EINVAL, ENOTCONN of a listener, EIO at the end of the stream.
func (s *Sock) zeroReceive(t current.Task, st stack.Stream, in []byte) ([]byte, error) {
	ne := binary.NativeEndian
	if len(in) < zcSkipHint {
		return nil, unix.EINVAL
	}
	room := min(len(in), zcSize)
	for _, b := range in[room:] {
		if b != 0 {
			return nil, unix.EINVAL
		}
	}
	z := make([]byte, zcSize)
	copy(z, in)
	if ne.Uint32(z[zcReserved:]) != 0 || ne.Uint32(z[zcMessageFlags:])&^cmsgTimestamp != 0 {
		return nil, unix.EINVAL
	}
	if err := s.zeroFill(t, st, z); err != nil {
		return nil, err
	}
	told := room >= zcReserved || room == 24 || room == 32 || room == 36 || room == 40 || room == 48 || room == 56
	if told {
		if b, err := s.st.Option(unix.SOL_SOCKET, unix.SO_ERROR, 4, nil); err == nil {
			ne.PutUint32(z[zcErr:], -ne.Uint32(b))
		}
	}
	if told || room == 20 {
		n, ended, _ := st.Inq()
		if ended {
			n++ // the end counts
		}
		ne.PutUint32(z[zcInq:], uint32(n))
	}
	return z[:room], nil
}

// zeroFill does what z asks for, and says in it what was done.
func (s *Sock) zeroFill(t current.Task, st stack.Stream, z []byte) error {
	const page = 4096
	ne := binary.NativeEndian
	addr := usermem.Addr(ne.Uint64(z[zcAddress:]))
	to, most := usermem.Addr(ne.Uint64(z[zcCopyAddress:])), int64(int32(ne.Uint32(z[zcCopyLen:])))
	ne.PutUint32(z[zcCopyLen:], 0)
	ne.PutUint32(z[zcMessageFlags:], 0)
	if addr%page != 0 {
		return unix.EINVAL
	}
	n, ended, err := st.Inq()
	if err != nil {
		return err
	}
	inq := int64(min(n, math.MaxInt32))
	length := int64(ne.Uint32(z[zcLength:]))
	ne.PutUint32(z[zcLength:], 0)
	switch {
	case inq > 0 && inq <= most: // all of it fits
		k, err := s.recv(usermem.One(t.Mem(), to, uint64(inq)), nil, unix.MSG_DONTWAIT)
		if err != nil {
			return err
		}
		ne.PutUint32(z[zcCopyLen:], uint32(k))
		ne.PutUint32(z[zcSkipHint:], uint32(max(0, inq-k)))
		return nil
	case inq < page:
		ne.PutUint32(z[zcSkipHint:], uint32(inq))
		if inq == 0 && ended {
			return unix.EIO
		}
		return nil
	}
	m, ok := t.Mem().(mapper)
	if !ok {
		return unix.EINVAL
	}
	file, end := m.FileAt(addr)
	if _, ok := file.(tcpMapping); !ok {
		return unix.EINVAL
	}
	skip := inq
	if room := min(length, int64(end-addr), inq); room < page {
		skip = room
	}
	// What is left before something could be mapped: part of it may be copied.
	if k := min(most, skip); k > 0 {
		k, err := s.recv(usermem.One(t.Mem(), to, uint64(k)), nil, unix.MSG_DONTWAIT)
		if errno, ok := err.(unix.Errno); ok {
			ne.PutUint32(z[zcCopyLen:], uint32(-int32(errno)))
		} else {
			ne.PutUint32(z[zcCopyLen:], uint32(k))
			skip -= k
		}
	}
	ne.PutUint32(z[zcSkipHint:], uint32(skip))
	return nil
}
