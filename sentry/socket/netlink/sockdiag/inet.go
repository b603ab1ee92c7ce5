package sockdiag

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// The sizes of struct inet_diag_req_v2 and inet_diag_sockid in bytes.
const (
	inetRequestSize = 8 + sockIDSize
	sockIDSize      = 48
)

// The attributes of inet_diag's answers (INET_DIAG_*), and of its requests.
const (
	inetMemInfo   = 1
	inetInfo      = 2
	inetCong      = 4
	inetSKMemInfo = 7
	inetShutdown  = 8
	inetV6Only    = 11
	inetMark      = 15

	requestByteCode = 1
	requestProtocol = 3
)

// sockID is struct inet_diag_sockid.
type sockID struct {
	sport, dport uint16
	src, dst     [16]byte
	device       uint32
	cookie       uint64
}

// noCookie asks for whatever socket has the addresses (INET_DIAG_NOCOOKIE).
const noCookie = ^uint64(0)

// inetRequest is struct inet_diag_req_v2.
type inetRequest struct {
	family   uint8
	protocol int
	ext      uint8
	states   uint32
	id       sockID
}

func (c *call) inetRequest() (q inetRequest, a wire.Attrs, err error) {
	b := c.Body
	if len(b) < inetRequestSize {
		return q, a, unix.EINVAL
	}
	ne := binary.NativeEndian
	q = inetRequest{family: b[0], protocol: int(b[1]), ext: b[2], states: ne.Uint32(b[4:])}
	id := b[8:]
	q.id.sport, q.id.dport = binary.BigEndian.Uint16(id), binary.BigEndian.Uint16(id[2:])
	copy(q.id.src[:], id[4:])
	copy(q.id.dst[:], id[20:])
	q.id.device, q.id.cookie = ne.Uint32(id[36:]), ne.Uint64(id[40:])
	a, err = c.Attrs(inetRequestSize, wire.Policy{requestByteCode: {Kind: wire.Any}, requestProtocol: {Kind: wire.U32}}, false)
	if a.Has(requestProtocol) {
		q.protocol = int(a.U32(requestProtocol))
	}
	return q, a, err
}

// known reports whether a protocol has a diag handler.
func known(protocol int) bool {
	switch protocol {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE, unix.IPPROTO_RAW:
		return true
	}
	return false
}

func (c *call) inet() error {
	q, a, err := c.inetRequest()
	if err != nil {
		return err
	}
	if !known(q.protocol) {
		return unix.ENOENT
	}
	if !c.IsDump() {
		s, err := c.findInet(&q)
		if err != nil {
			return err
		}
		i := s.Info()
		c.Reply(func(b *wire.Builder) { c.writeInet(b, 0, &q, s, &i) })
		return nil
	}
	code := a.Bytes(requestByteCode)
	if code != nil && !auditCode(code) {
		return unix.EINVAL
	}
	var all []stack.Listed
	for s := range c.stack.Sockets(int(q.family), q.protocol) {
		i := s.Info()
		if q.matches(&i) && (code == nil || runCode(code, &i)) {
			all = append(all, s)
		}
	}
	return c.Dump(len(all), func(b *wire.Builder, k int) {
		i := all[k].Info()
		c.writeInet(b, unix.NLM_F_MULTI, &q, all[k], &i)
	})
}

// matches reports whether a dump's request is for a socket.
func (q *inetRequest) matches(i *stack.SocketInfo) bool {
	return i.Family == int(q.family) && q.states>>min(i.State, 31)&1 != 0 &&
		(q.id.sport == 0 || q.id.sport == i.Local.Port()) && (q.id.dport == 0 || q.id.dport == i.Remote.Port())
}

// findInet returns the socket that a request names by its addresses.
func (c *call) findInet(q *inetRequest) (stack.Listed, error) {
	for s := range c.stack.Sockets(int(q.family), q.protocol) {
		i := s.Info()
		if q.id.sport != i.Local.Port() || q.id.dport != i.Remote.Port() || q.id.src != bytes16(i.Local.Addr(), q.family) ||
			q.id.dst != bytes16(i.Remote.Addr(), q.family) || q.id.device != 0 && int(q.id.device) != i.Device {
			continue
		}
		if q.id.cookie != noCookie && q.id.cookie != i.Owner.Inode {
			return nil, unix.ESTALE
		}
		return s, nil
	}
	return nil, unix.ENOENT
}

// bytes16 is an address as struct inet_diag_sockid has it.
func bytes16(a netip.Addr, family uint8) (b [16]byte) {
	switch {
	case !a.IsValid():
	case family == unix.AF_INET6:
		b = a.As16()
	default:
		four := a.Unmap().As4()
		copy(b[:], four[:])
	}
	return b
}

// writeInet writes struct inet_diag_msg and its attributes.
func (c *call) writeInet(b *wire.Builder, flags uint16, q *inetRequest, s stack.Listed, i *stack.SocketInfo) {
	be, ne := binary.BigEndian, binary.NativeEndian
	c.Begin(b, byFamily, flags)
	m := []byte{uint8(i.Family), i.State, i.Timer, i.Retransmits}
	m = be.AppendUint16(m, i.Local.Port())
	m = be.AppendUint16(m, i.Remote.Port())
	src, dst := bytes16(i.Local.Addr(), uint8(i.Family)), bytes16(i.Remote.Addr(), uint8(i.Family))
	m = append(append(m, src[:]...), dst[:]...)
	m = ne.AppendUint32(m, uint32(i.Device))
	m = appendCookie(m, i.Owner.Inode)
	m = ne.AppendUint32(m, uint32(max(i.Expires, 0)/time.Millisecond))
	m = ne.AppendUint32(m, uint32(i.RxQueue))
	m = ne.AppendUint32(m, uint32(i.TxQueue))
	m = ne.AppendUint32(m, i.Owner.UID)
	m = ne.AppendUint32(m, uint32(i.Owner.Inode))
	b.Append(m...)
	asks := func(attr int) bool { return q.ext>>(attr-1)&1 != 0 }
	b.U8(inetShutdown, i.Shutdown)
	if i.Family == unix.AF_INET6 && (i.State == tcpListen || i.State == tcpClose) {
		only := uint8(0)
		if i.V6Only {
			only = 1
		}
		b.U8(inetV6Only, only)
	}
	if i.Mark != 0 && c.Admin() == nil {
		b.U32(inetMark, i.Mark)
	}
	snd, rcv := s.Buffers()
	if asks(inetMemInfo) {
		var v []byte
		for _, n := range []int{i.RxQueue, i.TxQueue, 0, i.TxQueue} {
			v = ne.AppendUint32(v, uint32(n))
		}
		b.Attr(inetMemInfo, v)
	}
	if asks(inetSKMemInfo) {
		b.Attr(inetSKMemInfo, memInfo(i.RxQueue, rcv, i.TxQueue, snd, i.Drops))
	}
	if asks(inetInfo) && i.TCPInfo != nil {
		b.Attr(inetInfo, i.TCPInfo)
	}
	if asks(inetCong) && i.Congestion != "" {
		b.String(inetCong, i.Congestion)
	}
	b.End()
}

// memInfo is SK_MEMINFO_*: what is queued, and what the buffers hold.
func memInfo(rx, rcv, tx, snd int, drops uint32) []byte {
	var v []byte
	for _, n := range []int{rx, rcv, tx, snd, 0, tx, 0, 0, int(drops)} {
		v = binary.NativeEndian.AppendUint32(v, uint32(n))
	}
	return v
}

// States of TCP that matter here.
const (
	tcpClose  = 7
	tcpListen = 10
)

// destroy ends a socket: SOCK_DESTROY.
func (c *call) destroy() error {
	q, _, err := c.inetRequest()
	if err != nil {
		return err
	}
	if q.protocol == unix.IPPROTO_RAW || !known(q.protocol) {
		return unix.EOPNOTSUPP
	}
	s, err := c.findInet(&q)
	if err != nil {
		return err
	}
	return c.stack.Abort(s)
}
