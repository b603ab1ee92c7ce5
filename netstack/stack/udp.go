package stack

import (
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
	"hull/netstack/header"
	"hull/netstack/udp"
)

// Options of SOL_UDP.
const (
	udpCork        = 1
	udpEncapL2TP   = 3 // UDP_ENCAP_L2TPINUDP
	udpEncap       = 100
	udpNoCheck6Tx  = 101
	udpNoCheck6Rx  = 102
	udpSegment     = 103
	udpGRO         = 104
	maxGSOSegments = 128
)

// udpSocket is a socket of UDP.
type udpSocket struct {
	datagram
	b       *binding // nil without a port
	exact   bool     // it is in the table of connections
	cork    udp.Cork
	corkTo  udpTarget // where the corked datagram goes
	corkCut int       // and in pieces of how many bytes, or 0
	corked  bool      // UDP_CORK
	segment int
	gro     bool
	noTx6   bool // UDP_NO_CHECK6_TX
	noRx6   bool
	cover   coverage
	encap   int // UDP_ENCAP: kept, as what is in the datagrams is the owner's affair
}

// udpTarget is where a datagram goes, and how.
type udpTarget struct {
	p  *path
	o  sendOptions
	to netip.AddrPort
}

// newUDPSocket makes a socket of UDP or UDP-Lite.
func (s *Stack) newUDPSocket(family, proto int, o Owner) (Socket, error) {
	u := &udpSocket{}
	u.init(s, u, family, unix.SOCK_DGRAM, proto, o)
	s.register(&u.common)
	return u, nil
}

// Bind is bind(2).
func (u *udpSocket) Bind(a Address, privileged bool) error {
	addr, err := u.checkAddress(&a)
	if err != nil {
		if err == unix.EAFNOSUPPORT || !a.Addr().IsValid() {
			return unix.EAFNOSUPPORT
		}
		return err
	}
	if p := int64(addr.Port()); p != 0 && p < u.stack.tune(tIPUnprivilegedPortStart) && !privileged {
		return unix.EACCES
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.b != nil || u.closed {
		return unix.EINVAL
	}
	if u.v6only && addr.Addr().Is4() {
		return unix.EINVAL
	}
	device, err := u.checkBind(addr.Addr(), a.Scope)
	if err != nil {
		return err
	}
	if device != 0 && u.device == 0 {
		u.device = device
	}
	if addr.Port() == 0 && u.ip4.noPort { // it comes with the first use
		u.local, u.boundAddr, u.boundPort = addr, !addr.Addr().IsUnspecified(), false
		return nil
	}
	if err := u.take(addr.Addr(), addr.Port(), device); err != nil {
		return err
	}
	u.boundAddr, u.boundPort = !addr.Addr().IsUnspecified(), addr.Port() != 0
	return nil
}

// take takes a port, 0 for any. The caller holds the lock.
func (u *udpSocket) take(addr netip.Addr, port uint16, device int) error {
	b := u.binding(u, addr, port, device)
	if err := u.table().reserve(b, u.portRange()); err != nil {
		return err
	}
	u.stack.demux.listen(b)
	u.b = b
	u.local = netip.AddrPortFrom(addr, b.port)
	return nil
}

// portRange is where the socket's ephemeral ports are taken from: the narrower of
// the namespace's and IP_LOCAL_PORT_RANGE.
func (c *common) portRange() portRange {
	r := c.stack.portRange()
	if lo := int(c.ip4.portLow); lo >= r.low && lo <= r.high {
		r.low = lo
	}
	if hi := int(c.ip4.portHigh); hi != 0 && hi >= r.low && hi <= r.high {
		r.high = hi
	}
	return r
}

// autobind gives the socket a port if it has none. The caller holds the lock.
func (u *udpSocket) autobind() error {
	if u.b != nil {
		return nil
	}
	addr := netip.IPv4Unspecified()
	if u.v6() {
		addr = netip.IPv6Unspecified()
	}
	if u.boundAddr {
		addr = u.local.Addr()
	}
	if err := u.take(addr, 0, 0); err != nil {
		return unix.EAGAIN
	}
	return nil
}

// rebind puts a binding with another address or peer into the place of the one
// that is held. The caller holds the lock.
func (u *udpSocket) rebind(addr netip.Addr, remote *netip.AddrPort) {
	old := u.b
	b := u.binding(u, addr, old.port, old.device)
	b.remote.Store(remote)
	u.table().share(b)
	u.stack.demux.listen(b)
	u.stack.demux.unlisten(old)
	u.table().release(old)
	u.b, u.local = b, netip.AddrPortFrom(addr, b.port)
}

// Connect is connect(2).
func (u *udpSocket) Connect(a Address) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return unix.EINVAL
	}
	if a.Unspec {
		u.disconnect()
		return nil
	}
	to, err := u.checkAddress(&a)
	if err != nil {
		return err
	}
	if u.v6only && to.Addr().Is4() {
		return unix.ENETUNREACH
	}
	scope, err := u.checkScope(&a)
	if err != nil {
		return err
	}
	if scope == 0 && to.Addr().IsLinkLocalUnicast() && to.Addr().Is6() && u.device == 0 {
		return unix.EINVAL
	}
	if err := u.autobind(); err != nil {
		return err
	}
	q := u.query(to.Addr(), u.sourceAddr(), scope, u.local.Port(), to.Port())
	p, err := u.stack.findPath(&q)
	if err != nil {
		return err
	}
	if p.kind == toBroadcast && u.flags&fBroadcast == 0 {
		return unix.EACCES
	}
	u.unexact()
	to = netip.AddrPortFrom(p.end(), to.Port())
	if !u.mayConnectBy(a.Flow) {
		return unix.EINVAL
	}
	u.peer, u.scope, u.way, u.flow = to, scope, p, a.Flow
	addr := u.local.Addr()
	if addr.IsUnspecified() || addr.IsMulticast() {
		addr = p.src
	}
	u.rebind(addr, &to)
	u.exact = p.kind != toMulticast && u.stack.demux.connect(uint8(u.proto), u.local, to, u.device, u) == nil
	return nil
}

// holdsLocked reports whether a corked datagram is one of IPv6.
func (u *udpSocket) holdsLocked() bool { return u.cork.Active && u.corkTo.to.Addr().Is6() }

// unexact takes the socket out of the table of connections.
func (u *udpSocket) unexact() {
	if u.exact {
		u.stack.demux.disconnect(uint8(u.proto), u.local, u.peer, u)
		u.exact = false
	}
}

// disconnect dissolves the association. What bind did not choose is given up. The
// caller holds the lock.
func (u *udpSocket) disconnect() {
	if !u.peer.Addr().IsValid() {
		return
	}
	u.unexact()
	u.peer, u.scope, u.way = netip.AddrPort{}, 0, nil
	if u.b == nil {
		return
	}
	addr := u.local.Addr()
	if !u.boundAddr {
		addr = netip.IPv4Unspecified()
		if u.v6() {
			addr = netip.IPv6Unspecified()
		}
	}
	if u.boundPort {
		u.rebind(addr, nil)
		return
	}
	u.stack.demux.unlisten(u.b)
	u.table().release(u.b)
	u.b, u.local = nil, netip.AddrPortFrom(addr, 0)
	if !u.boundAddr {
		u.local = netip.AddrPort{}
	}
}

// sourceAddr is the own address that packets bear, not valid if any will do.
func (u *datagram) sourceAddr() netip.Addr {
	a := u.local.Addr()
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4() && u.stack.isBroadcast(a) {
		return netip.Addr{}
	}
	return a
}

// Close gives the socket up.
func (u *udpSocket) Close() time.Duration {
	if !u.closeQueues() {
		return lingerNone
	}
	u.mu.Lock()
	u.cork.Drop()
	u.unexact()
	b := u.b
	u.b = nil
	u.mu.Unlock()
	if b != nil {
		u.stack.demux.unlisten(b)
		u.table().release(b)
	}
	u.leaveGroups()
	u.stack.unregister(&u.common)
	return lingerNone
}

// abort ends the socket: `ss -K`.
func (u *udpSocket) abort(e unix.Errno) error {
	u.mu.Lock()
	u.err = e
	u.disconnect()
	u.shut = shutRead | shutWrite
	u.mu.Unlock()
	u.wake(u.Ready())
	return nil
}

// SetOption is setsockopt(2).
func (u *udpSocket) SetOption(level, name int, value []byte, admin, raw bool) error {
	if !isUDP(level) {
		return u.setOption(level, name, value, admin, raw)
	}
	v, err := intValue(value)
	if err != nil {
		return err
	}
	if name == udpCork && v == 0 {
		u.mu.Lock()
		u.corked = false
		u.mu.Unlock()
		err := u.push()
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch name {
	case udpCork:
		u.corked = true
	case udpSegment:
		if v < 0 || v > 65535 {
			return unix.EINVAL
		}
		u.segment = v
	case udpGRO:
		u.gro = v != 0
	case udpNoCheck6Tx:
		u.noTx6 = v != 0
	case udpNoCheck6Rx:
		u.noRx6 = v != 0
	case udpLiteSendCover, udpLiteRecvCover:
		return u.setCover(name, v)
	case udpEncap: // the others are IPsec's
		if v != 0 && v != udpEncapL2TP {
			return unix.ENOPROTOOPT
		}
		u.encap = v
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

// Option is getsockopt(2).
func (u *udpSocket) Option(level, name, room int, in []byte) ([]byte, error) {
	if !isUDP(level) {
		return u.option(level, name, room, in)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	v := 0
	switch name {
	case udpCork:
		v = bit(u.corked)
	case udpSegment:
		v = u.segment
	case udpGRO:
		v = bit(u.gro)
	case udpNoCheck6Tx:
		v = bit(u.noTx6)
	case udpNoCheck6Rx:
		v = bit(u.noRx6)
	case udpEncap:
		v = u.encap
	case udpLiteSendCover:
		v = int(u.cover.send)
	case udpLiteRecvCover:
		v = int(u.cover.recv)
	default:
		return nil, unix.ENOPROTOOPT
	}
	return intBytes(v, room), nil
}

// Recv is recvmsg(2).
func (u *udpSocket) Recv(dst io.Writer, n int, m *RecvMeta) (int, error) {
	k, err := u.datagram.Recv(dst, n, m)
	if err == io.EOF {
		return 0, nil
	}
	if err == nil && m.Msg != nil && m.Msg.Segment != 0 && u.gro {
		m.Control |= WantSegment
	}
	return k, err
}

// udpIn takes a datagram in.
func (s *Stack) udpIn(in *inbound) {
	p := in.pkt
	h, v := in.checkUDP()
	if v != udp.Good {
		if v == udp.BadChecksum && !(in.v6 && h == nil && s.zeroSum6(in)) {
			s.countUDP(int(in.proto), in.v6, cUdpInCsumErrors)
		}
		s.countUDP(int(in.proto), in.v6, cUdpInErrors)
		p.Release()
		return
	}
	h = header.UDP(p.Head())
	if p.Checksum == buffer.ChecksumUnknown && h.Checksum() != 0 {
		p.Checksum = buffer.ChecksumValid
	}
	r := in.received()
	r.src, r.dst = netip.AddrPortFrom(in.src, h.SrcPort()), netip.AddrPortFrom(in.dst, h.DstPort())
	if in.multi {
		s.udpMany(in, r)
		return
	}
	iif := in.iif()
	if t := s.demux.connection(in.proto, r.dst, r.src, iif); t != nil {
		t.deliver(in.b.now, r)
		return
	}
	if b := s.demux.listener(in.proto, r.dst, r.src, iif, r); b != nil {
		b.target.deliver(in.b.now, r)
		return
	}
	if s.udpIntercepted(in, r) {
		return
	}
	if s.isForeign(r) {
		p.Release()
		return
	}
	s.countUDP(int(in.proto), in.v6, cUdpNoPorts)
	p.Restore(in.ihl)
	if in.v6 {
		s.sendError6(in, header.ICMPv6Fields{Type: header.ICMPv6DstUnreachable, Code: header.ICMPv6PortUnreachable})
	} else {
		s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4DstUnreachable, Code: header.ICMPv4PortUnreachable})
	}
	p.Release()
}

// zeroSum6 reports whether a datagram of IPv6 has no checksum, which is an error
// without being a wrong one.
func (s *Stack) zeroSum6(in *inbound) bool {
	var b [2]byte
	return in.pkt.CopyTo(b[:], header.UDPChecksumOffset) == 2 && b == [2]byte{}
}

// udpIntercepted offers the first datagram of a flow to the interceptor.
func (s *Stack) udpIntercepted(in *inbound, r *received) bool {
	f := s.interceptor.Load()
	if f == nil || in.proto != unix.IPPROTO_UDP || in.local || s.isLocal(in.dst, 0) {
		return false
	}
	src, dst := r.src, r.dst
	x, ok := (*f).UDP(in.nic, src, dst).(*udpSocket)
	if !ok || x == nil {
		return false
	}
	*r = *in.received()
	r.src, r.dst = src, dst
	x.deliver(in.b.now, r)
	return true
}

// udpMany gives a datagram to a group or a broadcast address to all sockets that
// it fits.
func (s *Stack) udpMany(in *inbound, r *received) {
	iif := in.iif()
	p := in.pkt
	found := false
	for _, b := range s.demux.at(in.proto, r.dst.Port()) {
		u, ok := b.target.(*udpSocket)
		if !ok || b.addr.IsValid() && b.addr != in.dst || !b.addr.IsValid() && !b.takes(in.dst) ||
			b.device != 0 && b.device != iif {
			continue
		}
		if rem := b.remote.Load(); rem != nil && *rem != r.src {
			continue
		}
		if in.dst.IsMulticast() && !u.groupAllows(in.dst, in.src, iif) {
			continue
		}
		found = true
		c := *r
		c.pkt = p.Clone()
		u.deliver(in.b.now, &c)
	}
	if !found {
		s.countUDP(int(in.proto), in.v6, cUdpIgnoredMulti)
	}
	p.Release()
}

// deliver takes a datagram in, which begins with its UDP header.
func (u *udpSocket) deliver(now int64, r *received) {
	p := r.pkt
	s := u.stack
	if r.local {
		p.Checksum = buffer.ChecksumValid
	}
	n := u.filtered(r)
	u.mu.Lock()
	gro, stamp, minTTL, ext := u.gro, u.stampWanted(), u.ip4.minTTL, u.ip6.want&wantExtensions != 0
	if r.v6 {
		minTTL = u.ip6.minHops
	}
	covered := !u.lite() || u.covers(p)
	if !covered {
		u.queue.Drops++
	}
	u.mu.Unlock()
	if n < header.UDPSize || int(r.ttl) < minTTL || !covered {
		s.countUDP(u.proto, r.v6, cUdpInErrors)
		p.Release()
		return
	}
	if n < p.Len() {
		p.Truncate(n)
	}
	if stamp {
		s.stamp(p)
	}
	options := append([]byte(nil), r.options...)
	if r.v6 && ext {
		options = extensionsOf(p)
	}
	p.TrimFront(header.UDPSize)
	m := dgram.Message{
		Packet: p, Len: p.Len(), From: r.src, To: r.dst, IIF: r.nic.index, TTL: r.ttl, TOS: r.tos, Flow: r.flow,
		Options: options, Checksum: p.Checksum, FragSize: r.fragSize,
	}
	if size := int(p.GSO.Size); size != 0 && p.Len() > size {
		if !gro {
			u.split(m, size, r)
			return
		}
		m.Segment = uint16(size)
	}
	u.queueUp(m, r)
}

func (u *udpSocket) queueUp(m dgram.Message, r *received) {
	s := u.stack
	if u.arrived(m, r.rx, u) {
		s.countUDP(u.proto, r.v6, cUdpInDatagrams)
		return
	}
	s.countUDP(u.proto, r.v6, cUdpRcvbufErrors)
	s.countUDP(u.proto, r.v6, cUdpInErrors)
}

// split queues the datagrams that a packet was put together of, or was not cut into.
func (u *udpSocket) split(m dgram.Message, size int, r *received) {
	p := m.Packet
	for off := 0; off < m.Len; off += size {
		c := m
		end := min(off+size, m.Len)
		c.Packet = p.Pool().NewPacket(p.Range(off, end)...)
		c.Packet.Received, c.Packet.Mark = p.Received, p.Mark
		c.Len = end - off
		u.queueUp(c, r)
	}
	p.Release()
}

// failed takes an ICMP error in.
func (u *udpSocket) failed(e icmpError) { u.icmpFailed(&e, header.UDPSize) }

// segmentValue reads UDP_SEGMENT of a control message or the socket.
func (u *udpSocket) segmentSize(m *SendMeta) int {
	if m.Segment != 0 {
		return m.Segment
	}
	return u.segment
}
