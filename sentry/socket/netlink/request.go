package netlink

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket/netlink/wire"
)

// Request is one message to a protocol. It is answered by Reply, Dump, or an
// error that the handler returns.
type Request struct {
	Task   current.Task
	Sock   *Sock
	Net    *Net
	Header wire.Header
	Body   []byte // what follows the header

	Msg    string // NLMSGERR_ATTR_MSG: said also with success
	Offset int    // NLMSGERR_ATTR_OFFS: of the attribute that was wrong, from the header's start; 0 is none
	dumped bool
}

// NewRequest returns a request of a protocol that takes datagrams apart itself.
func NewRequest(t current.Task, s *Sock, h wire.Header, body []byte) *Request {
	return &Request{Task: t, Sock: s, Net: s.net, Header: h, Body: body}
}

// Each calls handle for each request in a datagram, and acknowledges it, as
// netlink_rcv_skb does.
func Each(t current.Task, s *Sock, data []byte, handle func(r *Request) error) {
	for {
		h, body, rest, ok := wire.Next(data)
		if !ok {
			return
		}
		r := NewRequest(t, s, h, body)
		var err error
		if h.Flags&unix.NLM_F_REQUEST != 0 && h.Type >= unix.NLMSG_MIN_TYPE {
			err = handle(r)
		}
		if !r.dumped && (err != nil || h.Flags&unix.NLM_F_ACK != 0) {
			r.Ack(err)
		}
		data = rest
	}
}

// Strict reports whether the socket asked for strict checks of get requests.
func (r *Request) Strict() bool { return r.Sock.flag(unix.NETLINK_GET_STRICT_CHK) }

// IsDump reports whether a GET request asks for all.
func (r *Request) IsDump() bool { return r.Header.Flags&unix.NLM_F_DUMP == unix.NLM_F_DUMP }

// Admin returns EPERM unless who sent the request and who made the socket have
// CAP_NET_ADMIN.
func (r *Request) Admin() error {
	if !r.Sock.admin || !r.Net.ns.May(r.Task, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	return nil
}

// Fail returns errno, and has the acknowledgement say why.
func (r *Request) Fail(errno unix.Errno, msg string) error {
	r.Msg = msg
	return errno
}

// Attrs parses the attributes of the body after its fixed part.
func (r *Request) Attrs(fixed int, p wire.Policy, strict bool) (wire.Attrs, error) {
	if len(r.Body) < fixed {
		return wire.Attrs{}, r.Fail(unix.EINVAL, "")
	}
	at := min(wire.Align(fixed), len(r.Body))
	a, err := wire.Parse(r.Body[at:], p, strict)
	if err != nil {
		return a, r.Refuse(err, at)
	}
	return a, nil
}

// Refuse turns an error of the attributes, which begin at a place of the body,
// into the errno, and has the acknowledgement say where it was.
func (r *Request) Refuse(err *wire.Error, at int) error {
	r.Msg = err.Msg
	if err.Offset >= 0 {
		r.Offset = wire.HeaderSize + at + err.Offset
	}
	return err.Errno
}

// Bad returns err, and has the acknowledgement say which attribute it is about. The
// attributes follow a fixed part of the body.
func (r *Request) Bad(err error, a wire.Attrs, typ, fixed int) error {
	if off := a.Offset(typ); err != nil && off >= 0 {
		r.Offset = wire.HeaderSize + wire.Align(fixed) + off
	}
	return err
}

// Begin starts a message that answers the request.
func (r *Request) Begin(b *wire.Builder, typ, flags uint16) {
	b.Begin(typ, flags, r.Header.Seq, r.Sock.portID())
}

// Reply sends what write wrote to who asked.
func (r *Request) Reply(write func(b *wire.Builder)) {
	var b wire.Builder
	write(&b)
	if b.Len() > 0 {
		r.Sock.deliver(&datagram{data: b.Bytes()})
	}
}

// Ack sends an acknowledgement, or the error, with what the socket's options ask for.
func (r *Request) Ack(err error) {
	var errno unix.Errno
	if err != nil && !errors.As(err, &errno) {
		errno = unix.EINVAL
	}
	s := r.Sock
	var b wire.Builder
	flags := uint16(0)
	payload := r.Body
	if errno == 0 || s.flag(unix.NETLINK_CAP_ACK) {
		flags |= unix.NLM_F_CAPPED
		payload = nil
	}
	tlvs := s.flag(unix.NETLINK_EXT_ACK) && (r.Msg != "" || errno != 0 && r.Offset != 0)
	if tlvs {
		flags |= unix.NLM_F_ACK_TLVS
	}
	r.Begin(&b, unix.NLMSG_ERROR, flags)
	ne := binary.NativeEndian
	head := ne.AppendUint32(nil, uint32(-int32(errno)))
	head = ne.AppendUint32(head, r.Header.Len)
	head = ne.AppendUint16(head, r.Header.Type)
	head = ne.AppendUint16(head, r.Header.Flags)
	head = ne.AppendUint32(head, r.Header.Seq)
	head = ne.AppendUint32(head, r.Header.Port)
	b.Append(append(head, payload...)...)
	if tlvs {
		if r.Msg != "" {
			b.String(unix.NLMSGERR_ATTR_MSG, r.Msg)
		}
		if errno != 0 && r.Offset != 0 {
			b.U32(unix.NLMSGERR_ATTR_OFFS, uint32(r.Offset))
		}
	}
	b.End()
	s.deliver(&datagram{data: b.Bytes()})
}
