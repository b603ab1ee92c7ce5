package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/socket/netlink/wire"
	"hull/sentry/wait"
)

// The sizes of a dump's datagrams in bytes. The first is as long as what a
// reader with a page as its buffer can take; the others as the reader's buffer.
const (
	firstDatagram = 3776
	maxDatagram   = 32 << 10
)

// Dump is an answer of many messages that is still being given.
type Dump struct {
	req   *Request
	n     int                          // items
	next  int                          // the one that is next
	write func(b *wire.Builder, i int) `snapshot:"-"`
	done  bool

	failed unix.Errno // what the end says
}

// Dump answers with n items, each of which write writes as one message, or none,
// when its turn comes. Its messages have the flag NLM_F_MULTI. EBUSY if the
// socket is in the middle of another one.
func (r *Request) Dump(n int, write func(b *wire.Builder, i int)) error {
	return r.startDump(&Dump{req: r, n: n, write: write})
}

func (r *Request) startDump(d *Dump) error {
	s := r.Sock
	s.recv.Lock()
	defer s.recv.Unlock()
	if s.dump != nil {
		return unix.EBUSY
	}
	r.dumped = true
	s.dump = d
	s.setDumping(true)
	s.continueDump()
	return nil
}

// DumpFailed answers a request for a dump with its end and an error: that which
// Linux finds out while it dumps.
func (r *Request) DumpFailed(errno unix.Errno, msg string) error {
	r.Msg = msg
	return r.startDump(&Dump{req: r, failed: errno})
}

func (s *Sock) setDumping(on bool) {
	s.st.Lock()
	s.st.dumping = on
	s.st.Unlock()
}

// continueDump queues the next datagram of the dump, if there is room for it.
// The caller holds recv.
func (s *Sock) continueDump() {
	d := s.dump
	if d == nil {
		return
	}
	limit := s.opts.ReceiveBuffer() / 2
	s.st.Lock()
	waits := s.st.bytes > limit || s.st.closed
	s.st.Unlock()
	if waits {
		return
	}
	size := max(firstDatagram, s.room)
	data := d.datagram(size)
	if d.done {
		s.dump = nil
		s.setDumping(false)
	}
	// A datagram of a dump is not dropped: there is no more than one of them
	// beyond half of the buffer, and who dumps would wait for the end for ever.
	s.st.Lock()
	s.push(&datagram{data: data})
	s.st.Unlock()
	s.queue.Notify(wait.In | wait.RdNrm)
}

// datagram writes messages up to size bytes, but at least one, and what ends the
// dump when all were written.
func (d *Dump) datagram(size int) []byte {
	var b wire.Builder
	for d.next < d.n {
		was := b.Len()
		d.write(&b, d.next)
		if b.Len() > size && was > 0 {
			b.Cut(was)
			return b.Bytes()
		}
		d.next++
	}
	if b.Len() > 0 && b.Len()+wire.HeaderSize+4 > size {
		return b.Bytes()
	}
	flags := uint16(unix.NLM_F_MULTI)
	tlvs := d.failed != 0 && d.req.Msg != "" && d.req.Sock.flag(unix.NETLINK_EXT_ACK)
	if tlvs {
		flags |= unix.NLM_F_ACK_TLVS
	}
	d.req.Begin(&b, unix.NLMSG_DONE, flags)
	b.Append(binary.NativeEndian.AppendUint32(nil, uint32(-int32(d.failed)))...)
	if tlvs {
		b.String(unix.NLMSGERR_ATTR_MSG, d.req.Msg)
	}
	b.End()
	d.done = true
	return b.Bytes()
}
