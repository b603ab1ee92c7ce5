package stack

import (
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/netstack/buffer"
	"hull/netstack/dgram"
	"hull/netstack/frag"
	"hull/netstack/header"
	"hull/netstack/link"
)

// packetSocket is a socket of AF_PACKET: it gets copies of frames, of SOCK_DGRAM
// without the link's header, and sends frames.
type packetSocket struct {
	datagram
	protocol uint16 // of Ethernet, in host order; 0 is not running
	index    int    // the interface, 0 for all; -1 if it is gone
	auxdata  bool
	ownOnly  bool // PACKET_IGNORE_OUTGOING
	origDev  bool
	loss     bool
	members  []packetMember
	packets  uint32 // since the last PACKET_STATISTICS, dropped ones included
	drops    uint32

	copyThresh int // kept, as the next one: see SetOption
	timestamp  int
	bypass     atomic.Bool // PACKET_QDISC_BYPASS
	vnet       int         // the length of the header of virtio-net before each frame, or 0

	version      int // of rings: TPACKET_V1 0, V2 1, V3 2
	reserve      int
	txHasOff     bool
	ring, txRing *packetRing

	fanout atomic.Pointer[fanoutGroup] // nil for none; set once
	rolled *rollover                   // of one whose group rolls over; set with fanout
}

// packetMember is one PACKET_ADD_MEMBERSHIP.
type packetMember struct {
	nic, typ int
	addr     link.Address
}

// maxPacketMembers bounds them.
const maxPacketMembers = 256

// taps is the packet sockets of a stack, and the groups that some are of.
type taps struct {
	mu     sync.Mutex
	list   atomic.Pointer[[]*packetSocket]
	groups atomic.Pointer[[]*fanoutGroup]

	nextFanout uint16 // the last number that was given; guarded by mu
	frags      *frag.Reassembler
	fragTimer  timer
}

func (t *taps) init(s *Stack) {
	t.frags = frag.New(fragConfig(s.tune(tIPFragHighThresh), s.tune(tIPFragTime)))
	t.fragTimer.init(&s.timers, func() { t.fragTick(s.now()) })
}

func (t *taps) all() []*packetSocket {
	if l := t.list.Load(); l != nil {
		return *l
	}
	return nil
}

func (t *taps) change(x *packetSocket, add bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := slices.DeleteFunc(slices.Clone(t.all()), func(o *packetSocket) bool { return o == x })
	if add {
		l = append(l, x)
	}
	if len(l) == 0 {
		t.list.Store(nil)
		return
	}
	t.list.Store(&l)
}

// newPacketSocket makes one: EPERM without CAP_NET_RAW. protocol is in network
// order, as socket(2) has it.
func (s *Stack) newPacketSocket(typ, protocol int, o Owner) (Socket, error) {
	if !o.Raw {
		return nil, unix.EPERM
	}
	if typ != unix.SOCK_RAW && typ != unix.SOCK_DGRAM {
		return nil, unix.ESOCKTNOSUPPORT
	}
	x := &packetSocket{protocol: networkOrder(uint16(protocol))}
	x.init(s, x, unix.AF_PACKET, typ, 0, o)
	s.register(&x.common)
	s.taps.change(x, true)
	return x, nil
}

// Protocol returns the Ethernet type.
func (x *packetSocket) Protocol() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return int(x.protocol)
}

// Bind is bind(2): ENODEV.
func (x *packetSocket) Bind(a Address, privileged bool) error {
	if a.Link == nil {
		return unix.EINVAL
	}
	if x.fanout.Load() != nil {
		return unix.EINVAL
	}
	var n *NIC
	if a.Scope != 0 {
		if n = x.stack.NIC(a.Scope); n == nil {
			return unix.ENODEV
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.fanout.Load() != nil {
		return unix.EINVAL
	}
	x.index = a.Scope
	if a.Link.Protocol != 0 {
		x.protocol = a.Link.Protocol
	}
	if n != nil && !n.isUp() {
		x.err = unix.ENETDOWN
	}
	return nil
}

// Connect is not for packet sockets.
func (x *packetSocket) Connect(a Address) error { return unix.EOPNOTSUPP }

// Shutdown is not for packet sockets.
func (x *packetSocket) Shutdown(how int) error { return unix.EOPNOTSUPP }

// Name returns the interface and protocol.
func (x *packetSocket) Name() (Address, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.name(), nil
}

func (x *packetSocket) name() Address {
	l := &LinkAddress{Protocol: x.protocol}
	if n := x.stack.NIC(x.index); n != nil {
		l.HWType, l.Addr, l.Len = uint16(n.hw), n.Address(), 6
		if n.hw == link.RawIP {
			l.Len = 0
		}
	}
	return Address{Scope: x.index, Link: l}
}

// Peer is not for packet sockets.
func (x *packetSocket) Peer() (Address, error) { return Address{}, unix.EOPNOTSUPP }

// Ready returns the events that hold.
func (x *packetSocket) Ready() uint32 {
	e := x.datagram.Ready()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ring != nil && x.ring.filled() {
		e |= readable
	}
	return e
}

// Recv is recvmsg(2).
func (x *packetSocket) Recv(dst io.Writer, n int, m *RecvMeta) (int, error) {
	if m.Flags&unix.MSG_ERRQUEUE != 0 {
		return x.recvError(dst, n, m)
	}
	x.mu.Lock()
	if err := x.takeError(); err != nil {
		x.mu.Unlock()
		return 0, err
	}
	msg, err := x.next(m)
	if err != nil {
		x.mu.Unlock()
		if err == io.EOF {
			return 0, nil
		}
		return 0, err
	}
	m.Control = x.wants(false)
	if x.auxdata {
		m.Control |= WantAuxdata
	}
	x.fill(m, &msg)
	l, vnet := msg.Link, x.vnet
	m.From = Address{Scope: msg.IIF, Link: &LinkAddress{Protocol: l.Protocol, HWType: l.HWType, Type: l.Type, Addr: l.Addr, Len: l.AddrLen}}
	x.mu.Unlock()
	if vnet == 0 {
		return copyMessage(dst, n, m, msg)
	}
	if err := x.writeVnet(dst, n, vnet, msg.Packet); err != nil {
		msg.Packet.Release()
		return 0, err
	}
	if n, err = copyMessage(dst, n-vnet, m, msg); err != nil {
		return 0, err
	}
	m.Full += vnet
	return n + vnet, nil
}

// Close gives the socket up.
func (x *packetSocket) Close() time.Duration {
	if !x.closeQueues() {
		return lingerNone
	}
	x.stack.taps.change(x, false)
	x.stack.taps.leaveFanout(x)
	x.mu.Lock()
	members, ring := x.members, x.ring
	x.members, x.ring, x.txRing = nil, nil, nil
	x.mu.Unlock()
	if ring != nil {
		ring.timer.drop()
	}
	for _, m := range members {
		x.stack.packetMember(m, -1)
	}
	x.stack.unregister(&x.common)
	return lingerNone
}

// nicDown says that an interface went down.
func (x *packetSocket) nicDown(n *NIC) {
	x.mu.Lock()
	hit := x.index == n.index && x.protocol != 0 && !x.closed
	if hit {
		x.err = unix.ENETDOWN
	}
	x.mu.Unlock()
	if hit {
		x.wake(unix.EPOLLERR)
	}
}

// nicGone says that an interface is removed.
func (x *packetSocket) nicGone(n *NIC) {
	x.mu.Lock()
	hit := x.index == n.index
	if hit {
		x.index, x.err = -1, unix.ENETDOWN
	}
	x.members = slices.DeleteFunc(x.members, func(m packetMember) bool { return m.nic == n.index })
	x.mu.Unlock()
	if hit {
		x.stack.taps.partFanout(x)
		x.wake(unix.EPOLLERR | readable)
	}
}

// Info is what /proc/net/packet and sock_diag say.
func (x *packetSocket) Info() SocketInfo {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := x.info()
	i.Protocol, i.Device, i.Local, i.Remote = int(x.protocol), max(0, x.index), x.name(), Address{}
	i.Drops, i.Refs = x.drops, 3
	return i
}

// packetMember changes what an interface lets in for packet sockets.
func (s *Stack) packetMember(m packetMember, d int32) {
	n := s.NIC(m.nic)
	if n == nil {
		return
	}
	_ = s.change(func(ev *events) error {
		was := n.shownFlags()
		switch m.typ {
		case unix.PACKET_MR_PROMISC:
			n.promisc.Add(d)
		case unix.PACKET_MR_ALLMULTI:
			n.allmulti.Add(d)
		}
		if n.shownFlags() != was {
			ev.link(n, false)
		}
		return nil
	})
}

// tapIn gives copies of a frame that arrived, whole, to the packet sockets.
func (s *Stack) tapIn(n *NIC, p *buffer.Packet, typ uint8, proto header.EtherType) {
	for _, x := range s.taps.all() {
		if x.listens(n, uint16(proto), false) {
			x.frameIn(n, p, typ, proto)
		}
	}
	for _, g := range s.taps.fans() {
		if g.listens(n, uint16(proto), false) {
			g.take(n, p, typ, proto)
		}
	}
}

// tap gives copies of frames that are sent to the packet sockets that listen to
// all protocols, but to the one that sends them and his group.
func (s *Stack) tap(n *NIC, ps []*buffer.Packet, typ uint8, sender *packetSocket) {
	for _, x := range s.taps.all() {
		if x == sender || !x.listens(n, 0, true) {
			continue
		}
		for _, p := range ps {
			x.frameIn(n, p, typ, n.typeOf(p))
		}
	}
	for _, g := range s.taps.fans() {
		if !g.listens(n, 0, true) || sender != nil && sender.fanout.Load() == g {
			continue
		}
		for _, p := range ps {
			g.take(n, p, typ, n.typeOf(p))
		}
	}
}

// typeOf is the protocol of a frame that is sent.
func (n *NIC) typeOf(p *buffer.Packet) header.EtherType {
	if n.headerSize() != 0 && len(p.Head()) >= header.EthernetSize {
		return header.Ethernet(p.Head()).Type()
	} else if len(p.Head()) > 0 {
		return etherType(p.Head()[0]>>4 == 6)
	}
	return 0
}

// listens reports whether frames of an interface and a protocol are for the socket,
// and for it alone.
func (x *packetSocket) listens(n *NIC, proto uint16, sent bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.index != 0 && x.index != n.index || sent && x.ownOnly || x.fanout.Load() != nil {
		return false
	}
	return x.protocol == unix.ETH_P_ALL || !sent && x.protocol != 0 && x.protocol == proto
}

// frameIn queues a copy of a frame, which stays the caller's.
func (x *packetSocket) frameIn(n *NIC, p *buffer.Packet, typ uint8, proto header.EtherType) {
	net := min(n.headerSize(), len(p.Head()))
	info := &dgram.LinkInfo{Protocol: uint16(proto), HWType: uint16(n.hw), Type: typ, NetOff: net}
	info.Addr, info.AddrLen = hwOf(p, n)
	c := p.Clone()
	c.NetOffset = net
	if x.typ == unix.SOCK_DGRAM {
		c.TrimFront(net)
		info.NetOff = 0
	}
	info.Wire = c.Len()
	take := c.Len()
	x.mu.Lock()
	f, ring, stamp := x.filter, x.ring, x.stampWanted()
	x.mu.Unlock()
	if f != nil {
		b := bpf.Packet{
			Data: c.Head(), Len: c.Len(), Tail: c.CopyTo, Protocol: uint16(proto), Type: typ, IfIndex: uint32(n.index),
			HWType: uint16(n.hw), Mark: c.Mark, Random: uint32(x.stack.randomUint64()),
		}
		if b.Payload = payloadAt(p, net); x.typ == unix.SOCK_DGRAM {
			b.Payload -= uint32(net)
		}
		if x.typ == unix.SOCK_DGRAM {
			take = runBPF(f, c, &b)
		} else {
			b.Net = net
			take = int(min(int64(f.Run(&b)), int64(c.Len())))
		}
		if take == 0 {
			c.Release()
			return
		}
	}
	if take < c.Len() {
		c.Truncate(take)
	}
	if stamp || ring != nil {
		x.stack.stamp(c)
	}
	if ring != nil {
		x.intoRing(n, c, info)
		return
	}
	x.enqueue(n, c, info)
}

// enqueue queues a frame for recvmsg.
func (x *packetSocket) enqueue(n *NIC, c *buffer.Packet, info *dgram.LinkInfo) {
	c.Compact()
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		c.Release()
		return
	}
	x.queue.Limit = x.rcvBuf
	x.packets++
	ok := x.queue.Push(dgram.Message{Packet: c, Len: c.Len(), From: netip.AddrPort{}, IIF: n.index, Checksum: c.Checksum, Link: info})
	if !ok {
		x.drops++
	}
	x.mu.Unlock()
	if ok {
		x.wake(readable)
	}
}
