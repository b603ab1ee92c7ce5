package stack

import (
	"io"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/udp"
)

// Send is sendmsg(2).
func (u *udpSocket) Send(src io.Reader, n int, m *SendMeta) (int, error) {
	if n > 65535 {
		return 0, unix.EMSGSIZE
	}
	if m.Flags&unix.MSG_OOB != 0 && !u.v6() { // Linux does not look at it in IPv6
		return 0, unix.EOPNOTSUPP
	}
	u.mu.Lock()
	if u.cork.Active {
		u.mu.Unlock()
		return u.sendMore(src, n, m)
	}
	t, err := u.target(m)
	if err != nil {
		u.mu.Unlock()
		return 0, err
	}
	size := u.segmentSize(m)
	cork := u.corked || m.Flags&unix.MSG_MORE != 0
	noCheck := u.unchecked(t.to.Addr())
	port := u.local.Port()
	if cork {
		u.cork.Active, u.corkTo, u.corkCut = true, t, size
	}
	u.mu.Unlock()
	if cork {
		return u.sendMore(src, n, m)
	}
	if n > t.maxPayload() {
		return 0, unix.EMSGSIZE
	}
	if err := u.checkSegments(&t, n, size, noCheck); err != nil {
		return 0, err
	}
	x := u.stack.cfg.Pool.NewPacket()
	if err := copyIn(x, src, n); err != nil {
		x.Release()
		return 0, err
	}
	if err := u.transmit(x, &t, port, size, noCheck); err != nil {
		return 0, err
	}
	return n, nil
}

// maxPayload is how much a datagram may carry, as all that goes with it counts too.
func (t *udpTarget) maxPayload() int { return t.p.maxLen() - t.p.headerLen(&t.o) - header.UDPSize }

// unchecked reports whether datagrams to an address have no checksum, if they are not
// of UDP-Lite. The caller holds the lock.
func (u *udpSocket) unchecked(to netip.Addr) bool {
	if to.Is6() {
		return u.noTx6
	}
	return u.flags&fNoCheck != 0
}

// checkSegments checks a send that is cut into datagrams of size bytes each.
func (u *udpSocket) checkSegments(t *udpTarget, n, size int, noCheck bool) error {
	if size == 0 || n <= size && !u.lite() {
		return nil
	}
	switch {
	case size+header.UDPSize+t.p.headerLen(&t.o) > t.p.limit(&t.o):
		return unix.EMSGSIZE
	case n > size*maxGSOSegments, noCheck:
		return unix.EINVAL
	case u.lite():
		return unix.EIO // what a part of it would cover nothing says
	}
	return nil
}

// transmit sends a datagram without its UDP header. It owns x.
func (u *udpSocket) transmit(x *buffer.Packet, t *udpTarget, port uint16, size int, noCheck bool) error {
	s := u.stack
	v6 := t.p.dst.Is6()
	n := x.Len()
	udp.Prepend(x, port, t.to.Port())
	if size != 0 && n > size {
		x.GSO = buffer.GSO{Size: uint16(size), Type: buffer.GSOUDP}
	}
	t.o.checksum = header.UDPChecksumOffset
	if noCheck || u.lite() {
		t.o.checksum = -1
	}
	if u.lite() {
		u.sumLite(x, t.p)
	}
	err := t.p.send([]*buffer.Packet{x}, &t.o)
	switch err {
	case nil:
		s.countUDP(u.proto, v6, cUdpOutDatagrams)
		return nil
	case unix.EMSGSIZE:
		u.localError(unix.EMSGSIZE, t.to, t.p.mtu(), &t.o)
		return err
	case unix.ENOBUFS:
		s.countUDP(u.proto, v6, cUdpSndbufErrors)
		u.mu.Lock()
		told := u.recvErr(t.to.Addr())
		u.mu.Unlock()
		if !told {
			return nil // as on Linux, a full queue of the link is a loss on the way
		}
	}
	return err
}

// target finds out where a datagram goes and gives the socket a port if it has
// none. The caller holds the lock.
func (u *udpSocket) target(m *SendMeta) (udpTarget, error) {
	var t udpTarget
	if u.closed {
		return t, unix.EBADF
	}
	if err := u.takeError(); err != nil {
		return t, err
	}
	if u.shut&shutWrite != 0 {
		return t, unix.EPIPE
	}
	to, oif := u.peer, 0
	if m.To != nil && !m.To.Unspec {
		a, err := u.checkAddress(m.To)
		if err != nil {
			return t, err
		}
		if a.Port() == 0 {
			return t, unix.EINVAL
		}
		if a.Addr().IsUnspecified() {
			a = netip.AddrPortFrom(loopbackOf(a.Addr()), a.Port())
		}
		if oif, err = u.checkScope(m.To); err != nil {
			return t, err
		}
		if oif == 0 && a == u.peer {
			oif = u.scope
		}
		to = a
	} else if !to.Addr().IsValid() {
		return t, unix.EDESTADDRREQ
	}
	if u.v6only && to.Addr().Is4() {
		return t, unix.ENETUNREACH
	}
	if err := u.autobind(); err != nil {
		return t, err
	}
	src := u.sourceAddr()
	if src.IsValid() && src.Is4() != to.Addr().Is4() {
		return t, unix.ENETUNREACH
	}
	return u.targetTo(to, src, oif, m)
}

// targetTo is the target at an address, with what control messages ask for.
func (u *datagram) targetTo(to netip.AddrPort, src netip.Addr, oif int, m *SendMeta) (udpTarget, error) {
	var p *path
	var err error
	own := m.Source.IsValid() || m.IIF != 0 || m.HasMark || m.HasTOS || m.Flags&unix.MSG_DONTROUTE != 0 ||
		m.hasExtensions() && u.ip6.ext.routing != nil
	if own {
		p, err = u.ownPath(to, src, oif, m)
	} else {
		p, err = u.pathTo(to, src, oif)
	}
	if err != nil {
		return udpTarget{}, err
	}
	t := udpTarget{p: p, o: u.sendOptions(p), to: netip.AddrPortFrom(p.end(), to.Port())}
	t.o.stamp = u.stampOf(m)
	if u.ip6.flowSend && p.dst.Is6() {
		flow := u.flow
		if m.To != nil {
			flow = m.To.Flow
		}
		if flow&flowLabelMask != 0 && !u.mayUseLabel(flow&flowLabelMask) {
			return udpTarget{}, unix.EINVAL
		}
		if t.o.flow = flow & flowLabelMask; flow>>20&0xff != 0 && u.ip6.tclass < 0 {
			t.o.tos = uint8(flow >> 20)
		}
	}
	m.apply(&t.o)
	return t, nil
}

// ownPath is a path of a message that has wishes of its own.
func (d *datagram) ownPath(to netip.AddrPort, src netip.Addr, oif int, m *SendMeta) (*path, error) {
	if m.Source.IsValid() && !m.Source.IsUnspecified() {
		src = m.Source.Unmap()
	}
	if m.IIF != 0 {
		if d.device != 0 && d.device != m.IIF {
			return nil, unix.EINVAL
		}
		oif = m.IIF
	}
	q := d.query(to.Addr(), src, oif, d.local.Port(), to.Port())
	if m.HasMark {
		q.mark = m.Mark
	}
	if m.HasTOS {
		q.tos = uint8(m.TOS)
	}
	if m.hasExtensions() {
		q.via = netip.Addr{}
	}
	q.direct = q.direct || m.Flags&unix.MSG_DONTROUTE != 0
	p, err := d.stack.findPath(&q)
	if err != nil {
		return nil, err
	}
	if p.kind == toBroadcast && d.flags&fBroadcast == 0 {
		return nil, unix.EACCES
	}
	return p, nil
}

// hasExtensions says that the message has extension headers of its own.
func (m *SendMeta) hasExtensions() bool { return m.HopOpts != nil || m.DstOpts != nil }

// apply puts a message's wishes into how it is sent.
func (m *SendMeta) apply(o *sendOptions) {
	if m.HasTTL && m.TTL >= 0 {
		o.ttl = uint8(m.TTL)
	}
	if m.HasTOS {
		o.tos = uint8(m.TOS)
	}
	if m.HasMark {
		o.mark = m.Mark
	}
	if m.HasPriority {
		o.priority = m.Priority
	}
	if m.Options != nil {
		o.options = m.Options
	}
	if m.hasExtensions() {
		o.hopByHop, o.dstOpts = m.HopOpts, m.DstOpts
	}
	if m.HasFlow {
		o.flow = m.Flow & flowLabelMask
	}
	if m.HasDontFrag && heedsDontFrag(int(o.proto)) {
		o.noFrag, o.tellMTU = m.DontFrag, m.DontFrag
	}
	o.confirm = m.Flags&unix.MSG_CONFIRM != 0
}

func loopbackOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// sendMore adds to the corked datagram, and sends it if nothing more is to come.
func (u *udpSocket) sendMore(src io.Reader, n int, m *SendMeta) (int, error) {
	var views []buffer.View
	if n > 0 {
		c := u.stack.cfg.Pool.Get(n)
		if err := readFull(src, c.Bytes()[:n]); err != nil {
			c.Release()
			return 0, err
		}
		views = []buffer.View{buffer.NewView(c, 0, n)}
	}
	u.mu.Lock()
	if !u.cork.Active {
		// Somebody else sent it meanwhile: this begins another.
		t, err := u.target(m)
		if err != nil {
			u.mu.Unlock()
			for _, v := range views {
				v.Release()
			}
			return 0, err
		}
		u.cork.Active, u.corkTo, u.corkCut = true, t, u.segmentSize(m)
	}
	err := u.cork.Add(views, u.corkTo.maxPayload())
	if err != nil {
		u.cork.Drop()
		u.mu.Unlock()
		return 0, err
	}
	more := u.corked || m.Flags&unix.MSG_MORE != 0
	u.mu.Unlock()
	if more {
		return n, nil
	}
	if err := u.push(); err != nil {
		return 0, err
	}
	return n, nil
}

// push sends the corked datagram, if there is one.
func (u *udpSocket) push() error {
	u.mu.Lock()
	if !u.cork.Active {
		u.mu.Unlock()
		return nil
	}
	t := u.corkTo
	views := u.cork.Take()
	port, size := u.local.Port(), u.corkCut
	noCheck := u.unchecked(t.to.Addr())
	u.mu.Unlock()
	x := u.stack.cfg.Pool.NewPacket(views...)
	n := x.Len()
	if err := u.checkSegments(&t, n, size, noCheck); err != nil {
		x.Release()
		return err
	}
	return u.transmit(x, &t, port, size, noCheck)
}
