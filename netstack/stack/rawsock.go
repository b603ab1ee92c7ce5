package stack

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/raw"
)

// rawSocket is a socket of SOCK_RAW in IPv4 or IPv6.
type rawSocket struct {
	datagram
	types raw.Filter // ICMP_FILTER, ICMPV6_FILTER; guarded by the socket's lock
}

// raws is the raw sockets of a stack.
type raws struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*rawSocket]
}

func (r *raws) all() []*rawSocket {
	if l := r.list.Load(); l != nil {
		return *l
	}
	return nil
}

func (r *raws) add(x *rawSocket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := append(slices.Clone(r.all()), x)
	r.list.Store(&l)
}

func (r *raws) remove(x *rawSocket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := slices.DeleteFunc(slices.Clone(r.all()), func(o *rawSocket) bool { return o == x })
	if len(l) == 0 {
		r.list.Store(nil)
		return
	}
	r.list.Store(&l)
}

func (s *Stack) newRawSocket(family, protocol int, o Owner) (Socket, error) {
	if protocol > 255 {
		return nil, unix.EPROTONOSUPPORT
	}
	x := &rawSocket{}
	x.init(s, x, family, unix.SOCK_RAW, protocol, o)
	x.flags |= fReuseAddr // they are many to one address from the start
	x.v6only = true
	if protocol == unix.IPPROTO_RAW { // it only sends, headers and all
		x.ip4.hdrIncl, x.ip6.hdrIncl = true, true
	}
	switch {
	case family == unix.AF_INET6 && protocol == unix.IPPROTO_ICMPV6:
		x.ip6.checksum = header.ICMPv6ChecksumOffset
	case family == unix.AF_INET6 && protocol == unix.IPPROTO_MH:
		x.ip6.checksum = mobilityChecksumOffset
	}
	x.local = netip.AddrPortFrom(netip.Addr{}, uint16(protocol))
	s.register(&x.common)
	s.rawlist.add(x)
	return x, nil
}

// boundLocked reports that a raw socket has a number from the start.
func (x *rawSocket) boundLocked() bool { return true }

// Bind is bind(2): only packets to the address are received.
func (x *rawSocket) Bind(a Address, privileged bool) error {
	to, err := x.checkAddress(&a)
	if err != nil {
		if x.v6() && a.Addr().Is4() {
			return unix.EINVAL
		}
		return err
	}
	if to.Addr().Is6() != x.v6() {
		return unix.EADDRNOTAVAIL
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return unix.EINVAL
	}
	device, err := x.checkBind(to.Addr(), a.Scope)
	if err != nil {
		return err
	}
	if device != 0 && x.device == 0 {
		x.device = device
	}
	addr := to.Addr()
	if x.boundAddr = !addr.IsUnspecified(); !x.boundAddr {
		addr = netip.Addr{}
	}
	x.local, x.way = netip.AddrPortFrom(addr, uint16(x.proto)), nil
	return nil
}

// Connect is connect(2): only packets of the peer are received.
func (x *rawSocket) Connect(a Address) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if a.Unspec {
		x.peer, x.scope, x.way = netip.AddrPort{}, 0, nil
		own := x.local.Addr()
		if !x.boundAddr {
			own = netip.Addr{}
		}
		x.local = netip.AddrPortFrom(own, 0) // the number is not shown any more
		return nil
	}
	return x.connectTo(&a)
}

// Send is sendmsg(2).
func (x *rawSocket) Send(src io.Reader, n int, m *SendMeta) (int, error) {
	if m.Flags&unix.MSG_OOB != 0 {
		return 0, unix.EOPNOTSUPP
	}
	if n > 65535 {
		return 0, unix.EMSGSIZE
	}
	x.mu.Lock()
	t, err := x.messageTarget(m)
	own := x.ip4.hdrIncl
	if x.v6() {
		own = x.ip6.hdrIncl
	}
	sum := x.ip6.checksum
	x.mu.Unlock()
	if err != nil {
		return 0, err
	}
	p := x.stack.cfg.Pool.NewPacket()
	if err := copyIn(p, src, n); err != nil {
		p.Release()
		return 0, err
	}
	switch {
	case own:
		err = x.ownHeader(p, &t)
	case x.v6() && x.proto == unix.IPPROTO_ICMPV6:
		t.o.checksum = header.ICMPv6ChecksumOffset
	case x.v6() && sum >= 0:
		if t.o.checksum = sum; n < sum+2 {
			err = unix.EINVAL
		}
	}
	if err == nil && t.o.checksum >= 0 {
		err = clearSum(p, t.o.checksum)
	}
	if err != nil {
		p.Release()
		return 0, err
	}
	if err = t.p.send([]*buffer.Packet{p}, &t.o); err == unix.EMSGSIZE {
		x.localError(unix.EMSGSIZE, t.to, t.p.mtu(), &t.o)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// clearSum zeroes the field that a checksum is written to. A message too short
// for it has none.
func clearSum(p *buffer.Packet, at int) error {
	if !p.Own(at + 2) {
		return nil
	}
	putUint16(p.Head()[at:], 0)
	return nil
}

// ownHeader completes the IP header that the sender wrote.
func (x *rawSocket) ownHeader(p *buffer.Packet, t *udpTarget) error {
	t.o.headers, t.o.noFrag = true, false
	if p.Len() > t.p.limit(&t.o) {
		return unix.EMSGSIZE
	}
	if x.v6() {
		if !p.Own(header.IPv6Size) || p.Head()[0]>>4 != 6 {
			return unix.EINVAL
		}
		return nil
	}
	if !p.Own(header.IPv4MinSize) || !p.Own(min(p.Len(), header.IPv4(p.Head()).IHL())) {
		return unix.EINVAL
	}
	h := header.IPv4(p.Head())
	return raw.Header(h[:min(len(h), max(h.IHL(), header.IPv4MinSize))], p.Len(), t.p.src, uint16(x.stack.ids.Next(t.p.src, t.p.dst, uint8(h.Protocol()), 1)))
}

// Recv is recvmsg(2).
func (x *rawSocket) Recv(dst io.Writer, n int, m *RecvMeta) (int, error) {
	k, err := x.datagram.Recv(dst, n, m)
	if err == io.EOF {
		return 0, nil
	}
	return k, err
}

// Close gives the socket up.
func (x *rawSocket) Close() time.Duration {
	if !x.closeQueues() {
		return lingerNone
	}
	x.stack.rawlist.remove(x)
	x.leaveGroups()
	x.stack.unregister(&x.common)
	return lingerNone
}

// abort ends the socket: `ss -K`.
func (x *rawSocket) abort(e unix.Errno) error {
	x.mu.Lock()
	x.err, x.peer, x.way = e, netip.AddrPort{}, nil
	x.shut = shutRead | shutWrite
	x.mu.Unlock()
	x.wake(x.Ready())
	return nil
}

// mobilityChecksumOffset is where messages of the mobility header have their
// checksum (RFC 6275 section 6.1.1).
const mobilityChecksumOffset = 4

// The options of raw sockets about the types of ICMP.
const (
	solRaw       = 255
	icmpFilter   = 1
	icmp6Filter  = 1
	icmpFilterV4 = 4 // bytes
	icmpFilterV6 = 32
)

// SetOption is setsockopt(2).
func (x *rawSocket) SetOption(level, name int, value []byte, admin, isRaw bool) error {
	size := x.filterOption(level, name)
	switch {
	case size < 0:
		return unix.EOPNOTSUPP
	case size == 0:
		if level == solRaw && x.v6() && len(value) < 4 {
			return unix.EINVAL
		}
		if level == solRaw && x.v6() && name == unix.IPV6_CHECKSUM {
			if x.proto == unix.IPPROTO_ICMPV6 {
				return x.setICMPv6Sum(value)
			}
			level = unix.SOL_IPV6
		}
		return x.setOption(level, name, value, admin, isRaw)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	// A part of it changes a part.
	b := x.filterBytes(size)
	copy(b, value)
	for i := range size / 4 {
		x.types[i] = binary.NativeEndian.Uint32(b[i*4:])
	}
	return nil
}

// setICMPv6Sum keeps what IPV6_CHECKSUM of SOL_RAW says about ICMPv6, whose
// messages have their checksum all the same. ping(8) says it.
func (x *rawSocket) setICMPv6Sum(value []byte) error {
	if len(value) < 4 {
		return unix.EINVAL
	}
	v := int(int32(binary.NativeEndian.Uint32(value)))
	if v > 0 && v&1 != 0 {
		return unix.EINVAL
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ip6.checksum = max(v, -1)
	return nil
}

// Option is getsockopt(2).
func (x *rawSocket) Option(level, name, room int, in []byte) ([]byte, error) {
	size := x.filterOption(level, name)
	switch {
	case size < 0:
		return nil, unix.EOPNOTSUPP
	case size == 0:
		if level == solRaw && x.v6() && name == unix.IPV6_CHECKSUM {
			level = unix.SOL_IPV6
		}
		return x.option(level, name, room, in)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return cut(x.filterBytes(size), room), nil
}

// filterBytes is the types as their option has them. The caller holds the lock.
func (x *rawSocket) filterBytes(size int) []byte {
	b := make([]byte, 0, size)
	for _, w := range x.types[:size/4] {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

// filterOption is how many bytes an option about types has, 0 if it is another
// one, -1 if the socket is of no ICMP.
func (x *rawSocket) filterOption(level, name int) int {
	switch {
	case !x.v6() && level == solRaw && name == icmpFilter:
		if x.proto != unix.IPPROTO_ICMP {
			return -1
		}
		return icmpFilterV4
	case x.v6() && level == unix.IPPROTO_ICMPV6:
		if x.proto != unix.IPPROTO_ICMPV6 {
			return -1
		}
		if name == icmp6Filter {
			return icmpFilterV6
		}
	}
	return 0
}

// rawDeliver gives copies of a packet, which is trimmed to its transport's header,
// to the raw sockets of its protocol.
func (s *Stack) rawDeliver(in *inbound) {
	iif := 0
	for _, x := range s.rawlist.all() {
		if x.proto != int(in.proto) || x.v6() != in.v6 {
			continue
		}
		if iif == 0 {
			iif = in.iif()
		}
		if !x.takes(in, iif) {
			continue
		}
		in.raw = true
		r := *in.received()
		r.pkt = in.pkt.Clone()
		x.deliver(in.b.now, &r)
	}
}

// takes reports whether a packet is for the socket.
func (x *rawSocket) takes(in *inbound, iif int) bool {
	x.mu.Lock()
	local, peer, device := x.local.Addr(), x.peer.Addr(), x.device
	blocked := false
	var typ [1]byte
	if x.proto == unix.IPPROTO_ICMP || x.proto == unix.IPPROTO_ICMPV6 {
		if in.pkt.CopyTo(typ[:], 0) == 1 {
			blocked = x.types.Blocks(typ[0]) && (x.v6() || typ[0] < 32)
		}
	}
	x.mu.Unlock()
	if blocked || local.IsValid() && local != in.dst || peer.IsValid() && peer != in.src || device != 0 && device != iif {
		return false
	}
	return !in.dst.IsMulticast() || x.groupAllows(in.dst, in.src, iif)
}

// deliver takes a packet in: with its IP header if it is of IPv4. It owns it.
func (x *rawSocket) deliver(now int64, r *received) {
	p := r.pkt
	x.mu.Lock()
	sum := x.ip6.checksum
	x.mu.Unlock()
	if r.v6 {
		if x.proto == unix.IPPROTO_ICMPV6 {
			sum = header.ICMPv6ChecksumOffset
		}
		if sum >= 0 && p.Checksum == buffer.ChecksumUnknown &&
			sumPacket(p, 0, header.PseudoHeader(header.Protocol(r.proto), r.src.Addr(), r.dst.Addr(), p.Len())) != 0xffff {
			p.Release()
			return
		}
	} else {
		p.Restore(p.TransportOffset - p.NetOffset)
	}
	n := x.filtered(r)
	if n <= 0 {
		p.Release()
		return
	}
	x.queueMessage(r, n, x)
}

// failed takes an ICMP error in.
func (x *rawSocket) failed(e icmpError) { x.icmpFailed(&e, 0) }

// rawFailed tells the raw sockets whose packet an error may quote of it, and
// reports whether there are any.
func (s *Stack) rawFailed(e *icmpError, iif int) bool {
	found := false
	for _, x := range s.rawlist.all() {
		x.mu.Lock()
		mine := x.proto == int(e.proto) && x.v6() == e.v6 &&
			(!x.local.Addr().IsValid() || x.local.Addr() == e.src.Addr()) &&
			(!x.peer.Addr().IsValid() || x.peer.Addr() == e.dst.Addr()) && (x.device == 0 || x.device == iif)
		x.mu.Unlock()
		if mine {
			found = true
			x.failed(*e)
		}
	}
	return found
}
