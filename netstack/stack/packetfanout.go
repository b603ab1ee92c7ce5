package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/netstack/buffer"
	"hull/netstack/dgram"
	"hull/netstack/frag"
	"hull/netstack/header"
	"hull/netstack/ipv4"
)

// PACKET_FANOUT has packet sockets share what one of them would get, packet(7):
//
//	setsockopt(PACKET_FANOUT) → taps.joinFanout: a group is made by the first who
//	      names its number; all others must ask for the same, of the same
//	      interface and protocol
//	a frame → fanoutGroup.take → choose → frameIn of one member
//	close(2) → taps.leaveFanout: the last one takes the group with it
//
// A socket is of one group for as long as it lives. Its interface and protocol
// stay as they were then.

// fanoutGroup is such a group. What has no comment is immutable.
type fanoutGroup struct {
	id         uint16
	typ, flags uint8
	limit      int
	protocol   uint16
	index      int

	refs    int                             // guarded by the taps' lock
	members atomic.Pointer[[]*packetSocket] // written under the taps' lock; never changed in place
	turn    atomic.Uint32                   // PACKET_FANOUT_LB
	program atomic.Pointer[bpf.Program]     // PACKET_FANOUT_DATA, or nil
}

// rollover is what a socket of a group that rolls over counts: struct
// tpacket_rollover_stats.
type rollover struct {
	next              atomic.Int32 // the member that took over last
	all, huge, failed atomic.Uint64
	flows             [rolloverFlows]atomic.Uint32 // of the last frames, some of them
}

// rolloverFlows is how many flows are remembered: a flow that more than half of
// them are of is a huge one.
const rolloverFlows = 16

const (
	maxFanout     = 1 << 16 // members that one may ask for: PACKET_FANOUT_MAX
	defaultFanout = 256

	fanoutFlagIgnoreOutgoing = unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING >> 8
)

// setFanout is PACKET_FANOUT: an int or a struct fanout_args. EINVAL, EALREADY,
// ENOMEM if there is no number left, ENOSPC.
func (x *packetSocket) setFanout(b []byte) error {
	if len(b) != 4 && len(b) != 8 {
		return unix.EINVAL
	}
	ne := binary.NativeEndian
	g := &fanoutGroup{id: ne.Uint16(b), typ: b[2], flags: b[3]}
	if len(b) == 8 {
		if n := ne.Uint32(b[4:]); n > maxFanout {
			g.limit = maxFanout + 1
		} else {
			g.limit = int(n)
		}
	}
	const rolls = unix.PACKET_FANOUT_FLAG_ROLLOVER >> 8
	if g.typ > unix.PACKET_FANOUT_EBPF || g.typ == unix.PACKET_FANOUT_ROLLOVER && g.flags&rolls != 0 {
		return unix.EINVAL
	}
	return x.stack.taps.joinFanout(x, g)
}

// fans is the groups that there are.
func (t *taps) fans() []*fanoutGroup {
	if l := t.groups.Load(); l != nil {
		return *l
	}
	return nil
}

// joinFanout makes x a member of the group that want describes.
func (t *taps) joinFanout(x *packetSocket, want *fanoutGroup) error {
	const unique = unix.PACKET_FANOUT_FLAG_UNIQUEID >> 8
	t.mu.Lock()
	defer t.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fanout.Load() != nil {
		return unix.EALREADY
	}
	if want.flags&unique != 0 {
		if want.id != 0 {
			return unix.EINVAL
		}
		id, ok := t.freeFanout()
		if !ok {
			return unix.ENOMEM
		}
		want.id = id
		want.flags &^= unique // of the one who asks first
	}
	g, limit := t.fanoutOf(want.id), want.limit
	switch {
	case g != nil && (g.flags != want.flags || limit != 0 && limit != g.limit), limit > maxFanout:
		return unix.EINVAL
	case g == nil:
		g = want
		if g.limit == 0 {
			g.limit = defaultFanout
		}
		g.protocol, g.index = x.protocol, x.index
	}
	switch {
	case x.closed, x.protocol == 0, g.typ != want.typ, g.protocol != x.protocol, g.index != x.index:
		return unix.EINVAL
	case g.refs >= g.limit:
		return unix.ENOSPC
	}
	if g.rolls() {
		x.rolled = &rollover{}
	}
	if g.refs++; g.refs == 1 {
		l := append(slices.Clone(t.fans()), g)
		t.groups.Store(&l)
	}
	ms := append(slices.Clone(g.list()), x)
	g.members.Store(&ms)
	x.fanout.Store(g)
	return nil
}

// fanoutOf returns the group with a number, or nil. The caller holds the lock.
func (t *taps) fanoutOf(id uint16) *fanoutGroup {
	for _, g := range t.fans() {
		if g.id == id {
			return g
		}
	}
	return nil
}

// freeFanout returns a number that no group has. The caller holds the lock.
func (t *taps) freeFanout() (uint16, bool) {
	used := map[uint16]bool{}
	for _, g := range t.fans() {
		used[g.id] = true
	}
	for range 1 << 16 {
		if t.nextFanout++; !used[t.nextFanout] {
			return t.nextFanout, true
		}
	}
	return 0, false
}

// leaveFanout ends the membership of a socket that is closed.
func (t *taps) leaveFanout(x *packetSocket) {
	g := x.fanout.Load()
	if g == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	g.unlink(x)
	if g.refs--; g.refs > 0 {
		return
	}
	l := slices.DeleteFunc(slices.Clone(t.fans()), func(o *fanoutGroup) bool { return o == g })
	if len(l) == 0 {
		t.groups.Store(nil)
		return
	}
	t.groups.Store(&l)
}

// partFanout has a socket get nothing any more: its interface is gone.
func (t *taps) partFanout(x *packetSocket) {
	if g := x.fanout.Load(); g != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		g.unlink(x)
	}
}

// unlink takes x out of the members; the last one takes its place, as on Linux.
func (g *fanoutGroup) unlink(x *packetSocket) {
	ms := slices.Clone(g.list())
	if i := slices.Index(ms, x); i >= 0 {
		last := len(ms) - 1
		ms[i] = ms[last]
		ms = ms[:last]
		g.members.Store(&ms)
	}
}

func (g *fanoutGroup) list() []*packetSocket {
	if l := g.members.Load(); l != nil {
		return *l
	}
	return nil
}

// rolls reports whether members may take over from each other.
func (g *fanoutGroup) rolls() bool {
	return g.typ == unix.PACKET_FANOUT_ROLLOVER || g.flags&(unix.PACKET_FANOUT_FLAG_ROLLOVER>>8) != 0
}

// value is what getsockopt says of the group.
func (g *fanoutGroup) value() int {
	if g == nil {
		return 0
	}
	return int(g.id) | int(g.typ)<<16 | int(g.flags)<<24
}

// setProgram is PACKET_FANOUT_DATA, with what the value points to: EINVAL, EPERM.
func (x *packetSocket) setProgram(b []byte) error {
	g := x.fanout.Load()
	if g == nil || g.typ != unix.PACKET_FANOUT_CBPF {
		return unix.EINVAL
	}
	x.mu.Lock()
	locked := x.flags&fLockFilter != 0
	x.mu.Unlock()
	if locked {
		return unix.EPERM
	}
	f, err := bpf.Parse(b)
	if err != nil {
		return err
	}
	g.program.Store(f)
	return nil
}

// listens reports whether frames of an interface and a protocol are for the group.
func (g *fanoutGroup) listens(n *NIC, proto uint16, sent bool) bool {
	if g.index != 0 && g.index != n.index || sent && g.flags&fanoutFlagIgnoreOutgoing != 0 {
		return false
	}
	return g.protocol == unix.ETH_P_ALL || !sent && g.protocol == proto
}

// take gives a copy of a frame, which stays the caller's, to one of the members.
func (g *fanoutGroup) take(n *NIC, p *buffer.Packet, typ uint8, proto header.EtherType) {
	members := g.list()
	if len(members) == 0 {
		return
	}
	net := min(n.headerSize(), len(p.Head()))
	if g.flags&(unix.PACKET_FANOUT_FLAG_DEFRAG>>8) != 0 && proto == header.EtherTypeIPv4 {
		whole, ok := n.stack.taps.defrag(n, g, p, net)
		if !ok {
			return
		}
		if whole != p {
			defer whole.Release()
			p = whole
		}
	}
	members[g.choose(n, p, net, typ, proto, members)].frameIn(n, p, typ, proto)
}

// choose returns whose a frame is.
func (g *fanoutGroup) choose(n *NIC, p *buffer.Packet, net int, typ uint8, proto header.EtherType, members []*packetSocket) int {
	num := uint32(len(members))
	i := uint32(0)
	switch g.typ {
	case unix.PACKET_FANOUT_HASH:
		i = uint32(uint64(n.stack.flowHash(p, net)) * uint64(num) >> 32)
	case unix.PACKET_FANOUT_LB:
		i = g.turn.Add(1) % num
	case unix.PACKET_FANOUT_RND:
		i = uint32(n.stack.randomUint64() % uint64(num))
	case unix.PACKET_FANOUT_ROLLOVER:
		return g.rollOver(n, p, net, 0, false, members)
	case unix.PACKET_FANOUT_CBPF:
		if f := g.program.Load(); f != nil {
			i = g.run(f, n, p, net, typ, proto) % num
		}
	case unix.PACKET_FANOUT_CPU, unix.PACKET_FANOUT_QM:
		// A link has one queue, and whoever empties it counts as the first processor.
	}
	if g.rolls() {
		return g.rollOver(n, p, net, int(i), true, members)
	}
	return int(i)
}

// run runs the group's program: over what arrived from the network's header on, and
// over what is sent from the link's on.
func (g *fanoutGroup) run(f *bpf.Program, n *NIC, p *buffer.Packet, net int, typ uint8, proto header.EtherType) uint32 {
	b := bpf.Packet{
		Protocol: uint16(proto), Type: typ, IfIndex: uint32(n.index), HWType: uint16(n.hw), Mark: p.Mark, Random: uint32(n.stack.randomUint64()),
	}
	c := p.Clone()
	defer c.Release()
	c.NetOffset = net
	b.Payload = payloadAt(c, net)
	if typ == unix.PACKET_OUTGOING {
		b.Net = net
	} else {
		c.TrimFront(net)
		b.Before, b.Link, b.Payload = p.Head()[:net], -net, b.Payload-uint32(net)
	}
	b.Data, b.Len, b.Tail = c.Head(), c.Len(), c.CopyTo
	return f.Run(&b)
}

// The room that a member has.
const (
	roomNone = iota
	roomLow  // less than a quarter
	roomNormal
)

// rollOver returns the member that takes a frame that is member i's, or i if nobody
// has room. self says that i takes it unless it has none.
func (g *fanoutGroup) rollOver(n *NIC, p *buffer.Packet, net, i int, self bool, members []*packetSocket) int {
	x, room := members[i], roomNone
	r := x.rolled
	if self {
		room = x.room(p.Len())
		if room == roomNormal || room == roomLow && !r.often(n.stack.flowHash(p, net), uint32(n.stack.randomUint64())) {
			return i
		}
	}
	start := min(int(r.next.Load()), len(members)-1)
	for k := range members {
		at := (start + k) % len(members)
		if self && at == i || members[at].room(p.Len()) != roomNormal {
			continue
		}
		r.next.Store(int32(at))
		r.all.Add(1)
		if room == roomLow {
			r.huge.Add(1)
		}
		return at
	}
	r.failed.Add(1)
	return i
}

// often takes note of a flow, and reports whether most frames are of it.
func (r *rollover) often(flow, random uint32) bool {
	n := 0
	for i := range r.flows {
		if r.flows[i].Load() == flow {
			n++
		}
	}
	r.flows[random%rolloverFlows].Store(flow)
	return n > rolloverFlows/2
}

// stats is struct tpacket_rollover_stats.
func (r *rollover) stats() []byte {
	b := binary.NativeEndian.AppendUint64(nil, r.all.Load())
	b = binary.NativeEndian.AppendUint64(b, r.huge.Load())
	return binary.NativeEndian.AppendUint64(b, r.failed.Load())
}

// room says how much room there is for a frame of n bytes.
func (x *packetSocket) room(n int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if g := x.ring; g != nil {
		return g.room()
	}
	switch free := x.rcvBuf - x.queue.Bytes() - n - dgram.Overhead; {
	case free > x.rcvBuf/4:
		return roomNormal
	case free > 0:
		return roomLow
	}
	return roomNone
}

// flowHash is a number for the flow that a frame is of, the same in both
// directions; net is where the network's header is.
func (s *Stack) flowHash(p *buffer.Packet, net int) uint32 {
	start, v6, ok := transportStart(p, net)
	if !ok {
		return 0
	}
	b := p.Head()
	proto, ports := uint8(0), false
	if v6 {
		it := header.IPv6(b[net:]).Extensions()
		for _, more := it.Next(); more; _, more = it.Next() {
		}
		proto, ports = uint8(it.Protocol()), true
	} else {
		h := header.IPv4(b[net:])
		proto, ports = uint8(h.Protocol()), !h.IsFragment()
	}
	src, dst := source46(b[net:], v6)
	from, to := netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if ports && (proto == unix.IPPROTO_TCP || proto == unix.IPPROTO_UDP) && len(b) >= start+4 {
		from = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b[start:]))
		to = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[start+2:]))
	}
	if from.Compare(to) > 0 {
		from, to = to, from
	}
	key := tupleOf(proto, from, to)
	return key.hash(s.demux.secret ^ 0x2545f4914f6cdd1d)
}

// defrag takes a frame in that is not the taps', and returns it if it is no
// fragment, or a datagram that is complete with it, which is the caller's. False if
// it is neither.
func (t *taps) defrag(n *NIC, g *fanoutGroup, p *buffer.Packet, net int) (*buffer.Packet, bool) {
	b := p.Head()
	if len(b) < net+header.IPv4MinSize || !header.IPv4(b[net:]).IsFragment() {
		return p, true
	}
	h := header.IPv4(b[net:])
	if h.IHL() < header.IPv4MinSize || int(h.TotalLen()) < h.IHL() || p.Len() < net+int(h.TotalLen()) {
		return p, true // not one of IP: whoever gets it may look
	}
	c := p.Clone()
	c.Truncate(net + int(h.TotalLen()))
	c.TrimFront(net)
	h = header.IPv4(c.Head())
	k := frag.Key{Src: h.SrcAddr(), Dst: h.DstAddr(), ID: uint32(h.ID()), Proto: uint8(h.Protocol()), IIF: n.index<<16 | int(g.id)}
	d, v := t.frags.Add(n.stack.now(), k, frag.Piece{
		Packet: c, HeaderLen: h.IHL(), Off: h.FragmentOffset(), More: h.MoreFragments(), ECN: h.TOS() & 3,
	})
	if v != frag.Complete {
		if v == frag.Held && !t.fragTimer.isSet() {
			t.fragTimer.set(t.frags.Deadline())
		}
		return nil, false
	}
	if d.ECN == frag.ECNBad || !d.Packet.Pull(d.HeaderLen) {
		d.Packet.Release()
		return nil, false
	}
	ipv4.Join(d.Packet, d.HeaderLen, d.Len, header.IPv4(d.Packet.Head()).TOS()&^3|d.ECN)
	copy(d.Packet.Prepend(net), p.Head()[:net])
	d.Packet.Checksum, d.Packet.GSO = buffer.ChecksumUnknown, buffer.GSO{}
	return d.Packet, true
}

// fragTick gives up datagrams that stay incomplete.
func (t *taps) fragTick(now int64) {
	for _, p := range t.frags.Tick(now) {
		p.Release()
	}
	if d := t.frags.Deadline(); d != 0 {
		t.fragTimer.set(d)
	}
}
