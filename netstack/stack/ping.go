package stack

import (
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
	"hull/netstack/header"
)

// pingSocket is a socket of SOCK_DGRAM and ICMP: it sends echo requests whose
// identifier is its port, and gets the answers.
type pingSocket struct {
	datagram
	b *binding // nil without an identifier
}

// newPingSocket makes one: EACCES unless ping_group_range has the owner's group.
func (s *Stack) newPingSocket(family int, o Owner) (Socket, error) {
	lo, hi := s.tuneN(tPingGroupRange, 0), s.tuneN(tPingGroupRange, 1)
	if g := int64(o.GID); g < lo || g > hi {
		return nil, unix.EACCES
	}
	proto := unix.IPPROTO_ICMP
	if family == unix.AF_INET6 {
		proto = unix.IPPROTO_ICMPV6
	}
	x := &pingSocket{}
	x.init(s, x, family, unix.SOCK_DGRAM, proto, o)
	x.flags |= fReuseAddr
	x.v6only = true // an echo is of one family
	s.register(&x.common)
	return x, nil
}

// identifiers is the range of identifiers.
func (x *pingSocket) identifiers() portRange { return portRange{low: 1, high: 65535} }

// Bind is bind(2): the port is the identifier.
func (x *pingSocket) Bind(a Address, privileged bool) error {
	to, err := x.checkAddress(&a)
	if err != nil {
		return unix.EAFNOSUPPORT
	}
	if to.Addr().Is6() != x.v6() {
		return unix.EINVAL
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.b != nil || x.closed {
		return unix.EINVAL
	}
	if to.Addr().IsMulticast() || to.Addr().Is4() && x.stack.isBroadcast(to.Addr()) {
		return unix.EADDRNOTAVAIL
	}
	device, err := x.checkBind(to.Addr(), a.Scope)
	if err != nil {
		return err
	}
	if device != 0 && x.device == 0 {
		x.device = device
	}
	x.boundAddr, x.boundPort = !to.Addr().IsUnspecified(), to.Port() != 0
	return x.take(to.Addr(), to.Port(), device)
}

// take takes an identifier, 0 for any. The caller holds the lock.
func (x *pingSocket) take(addr netip.Addr, id uint16, device int) error {
	b := x.binding(x, addr, id, device)
	if err := x.stack.ping.reserve(b, x.identifiers()); err != nil {
		return err
	}
	x.stack.demux.listen(b)
	x.b = b
	x.local = netip.AddrPortFrom(addr, b.port)
	return nil
}

// autobind gives the socket an identifier if it has none. The caller holds the lock.
func (x *pingSocket) autobind() error {
	if x.b != nil {
		return nil
	}
	return x.take(x.anyAddr(), 0, 0)
}

// Connect is connect(2).
func (x *pingSocket) Connect(a Address) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if a.Unspec {
		x.peer, x.scope, x.way = netip.AddrPort{}, 0, nil
		if x.b != nil && !x.boundAddr {
			x.local = netip.AddrPortFrom(x.anyAddr(), x.local.Port())
		}
		return nil
	}
	if err := x.autobind(); err != nil {
		return err
	}
	return x.connectTo(&a)
}

// anyAddr is the unspecified address of the socket's family.
func (x *pingSocket) anyAddr() netip.Addr {
	if x.v6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// connectTo sets the peer of a socket without ports, and its own address if it has
// none, if there is a way there. The caller holds the lock.
func (d *datagram) connectTo(a *Address) error {
	if d.closed {
		return unix.EINVAL
	}
	to, err := d.checkAddress(a)
	if err != nil {
		return err
	}
	if to.Addr().Is6() != d.v6() {
		return unix.EINVAL
	}
	scope, err := d.checkScope(a)
	if err != nil {
		return err
	}
	q := d.query(to.Addr(), d.sourceAddr(), scope, 0, 0)
	p, err := d.stack.findPath(&q)
	if err != nil {
		return err
	}
	if p.kind == toBroadcast && d.flags&fBroadcast == 0 {
		return unix.EACCES
	}
	if !d.mayConnectBy(a.Flow) {
		return unix.EINVAL
	}
	d.peer, d.scope, d.way, d.flow = netip.AddrPortFrom(p.end(), to.Port()), scope, nil, a.Flow
	if own := d.local.Addr(); !own.IsValid() || own.IsUnspecified() {
		d.local = netip.AddrPortFrom(p.src, d.local.Port())
	}
	return nil
}

// messageTarget finds out where a message of a socket without ports goes. The
// caller holds the lock.
func (d *datagram) messageTarget(m *SendMeta) (udpTarget, error) {
	var t udpTarget
	if d.closed {
		return t, unix.EBADF
	}
	if err := d.takeError(); err != nil {
		return t, err
	}
	if d.shut&shutWrite != 0 {
		return t, unix.EPIPE
	}
	to, oif := d.peer, 0
	if m.To != nil && !m.To.Unspec {
		a, err := d.checkAddress(m.To)
		if err != nil {
			return t, err
		}
		if a.Addr().Is6() != d.v6() {
			return t, unix.EINVAL
		}
		if oif, err = d.checkScope(m.To); err != nil {
			return t, err
		}
		to = netip.AddrPortFrom(a.Addr(), d.peer.Port())
	} else if !to.Addr().IsValid() {
		return t, unix.EDESTADDRREQ
	}
	return d.targetTo(to, d.sourceAddr(), oif, m)
}

// Send sends an echo request: EINVAL for any other message.
func (x *pingSocket) Send(src io.Reader, n int, m *SendMeta) (int, error) {
	if m.Flags&unix.MSG_OOB != 0 {
		return 0, unix.EOPNOTSUPP
	}
	if n > 65535 {
		return 0, unix.EMSGSIZE
	}
	if n < header.ICMPv4Size {
		return 0, unix.EINVAL
	}
	x.mu.Lock()
	t, err := x.messageTarget(m)
	if err == nil {
		err = x.autobind()
	}
	id := x.local.Port()
	x.mu.Unlock()
	if err != nil {
		return 0, err
	}
	p := x.stack.cfg.Pool.NewPacket()
	if err := copyIn(p, src, n); err != nil {
		p.Release()
		return 0, err
	}
	if !p.Pull(header.ICMPv4Size) {
		p.Release()
		return 0, unix.EINVAL
	}
	h := p.Head()
	request := uint8(header.ICMPv4Echo)
	if x.v6() {
		request = uint8(header.ICMPv6EchoRequest)
	}
	if h[0] != request || h[1] != 0 {
		p.Release()
		return 0, unix.EINVAL
	}
	var head [header.ICMPv4Size]byte
	copy(head[:], h)
	head[2], head[3], head[4], head[5] = 0, 0, byte(id>>8), byte(id)
	p.TrimFront(len(head))
	copy(p.Prepend(len(head)), head[:])
	t.o.checksum = 2
	if x.v6() {
		x.stack.countICMPOut6(header.ICMPv6EchoRequest)
	} else {
		x.stack.countICMPOut4(header.ICMPv4Echo)
	}
	err = t.p.send([]*buffer.Packet{p}, &t.o)
	if err == unix.EMSGSIZE {
		x.localError(unix.EMSGSIZE, t.to, t.p.mtu(), &t.o)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Recv is recvmsg(2).
func (x *pingSocket) Recv(dst io.Writer, n int, m *RecvMeta) (int, error) {
	k, err := x.datagram.Recv(dst, n, m)
	if err == io.EOF {
		return 0, nil
	}
	return k, err
}

// Close gives the socket up.
func (x *pingSocket) Close() time.Duration {
	if !x.closeQueues() {
		return lingerNone
	}
	x.mu.Lock()
	b := x.b
	x.b = nil
	x.mu.Unlock()
	if b != nil {
		x.stack.demux.unlisten(b)
		x.stack.ping.release(b)
	}
	x.leaveGroups()
	x.stack.unregister(&x.common)
	return lingerNone
}

// pingIn gives the answer to an echo, which begins with its ICMP header, to the
// socket of its identifier, and owns it.
func (s *Stack) pingIn(in *inbound) {
	h := header.ICMPv4(in.pkt.Head())
	t := s.pingSocket(in.v6, in.dst, h.ID(), in.iif())
	if t == nil {
		in.pkt.Release()
		return
	}
	r := in.received()
	t.deliver(in.b.now, r)
}

// pingSocket returns the socket of an identifier, or nil.
func (s *Stack) pingSocket(v6 bool, a netip.Addr, id uint16, iif int) transport {
	proto := uint8(unix.IPPROTO_ICMP)
	if v6 {
		proto = unix.IPPROTO_ICMPV6
	}
	if b := s.demux.listener(proto, netip.AddrPortFrom(a, id), netip.AddrPort{}, iif, nil); b != nil {
		return b.target
	}
	return nil
}

// deliver takes an answer in.
func (x *pingSocket) deliver(now int64, r *received) {
	n := x.filtered(r)
	if n <= 0 {
		r.pkt.Release()
		return
	}
	x.queueMessage(r, n, x)
}

// queueMessage queues a message as it is, cut to n bytes, for a socket without ports.
func (d *datagram) queueMessage(r *received, n int, self flusher) {
	p := r.pkt
	if n < p.Len() {
		p.Truncate(n)
	}
	d.mu.Lock()
	stamp, ext := d.stampWanted(), d.ip6.want&wantExtensions != 0
	d.mu.Unlock()
	if stamp {
		d.stack.stamp(p)
	}
	var options []byte
	if r.v6 && ext {
		options = extensionsOf(p)
	}
	d.arrived(dgram.Message{
		Packet: p, Len: p.Len(), From: netip.AddrPortFrom(r.src.Addr(), 0), To: netip.AddrPortFrom(r.dst.Addr(), 0), IIF: r.nic.index,
		TTL: r.ttl, TOS: r.tos, Flow: r.flow, Options: options, Checksum: p.Checksum, FragSize: r.fragSize,
	}, r.rx, self)
}

// failed takes an ICMP error in.
func (x *pingSocket) failed(e icmpError) { x.icmpFailed(&e, 0) }
