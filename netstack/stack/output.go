package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/ipv4"
	"hull/netstack/ipv6"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// Outbound, a packet passes: path.send (transport checksum, IP header) → path.out
// (the hook of what is sent here) → path.leave (the hook after routing, copies for
// our own sockets, fragmentation) → path.toNeighbor (link address) → NIC.transmit
// (taps, counters) → NIC.finish (checksums and segmentation that the link does not
// do) → link.Endpoint.Send. Forwarded packets join at leave.

// out passes packets that begin with their IP header through the output hook.
func (p *path) out(ps []*buffer.Packet, o *sendOptions) error {
	f := p.stack.filter.Load()
	if f == nil {
		return p.leave(ps, o, nil)
	}
	v6 := p.dst.Is6()
	c := HookContext{V6: v6, Out: p.nic, Now: p.stack.now(), Owner: o.owner.ownerOf()}
	var kept []*buffer.Packet
	var refused error
	for _, x := range ps {
		mark, dst := x.Mark, p.dst
		x.Own(min(x.Len(), maxHookHeader))
		switch (*f).Hook(HookOutput, x, &c) {
		case Drop:
			x.Release()
			refused = unix.EPERM
			continue
		case Stolen:
			continue
		}
		if now := destination(x, v6); now == dst && x.Mark == mark {
			kept = append(kept, x)
			continue
		}
		// The filter sent it elsewhere: the way is looked up again.
		if err := p.stack.reroute(x, v6, o); err != nil {
			refused = err
		}
	}
	if len(kept) == 0 {
		return refused
	}
	if err := p.leave(kept, o, nil); err != nil {
		return err
	}
	return refused
}

// source and destination read the addresses of a packet that begins with its IP header.
func source(x *buffer.Packet, v6 bool) netip.Addr {
	if v6 {
		return header.IPv6(x.Head()).SrcAddr()
	}
	return header.IPv4(x.Head()).SrcAddr()
}

func destination(x *buffer.Packet, v6 bool) netip.Addr {
	if v6 {
		return header.IPv6(x.Head()).DstAddr()
	}
	return header.IPv4(x.Head()).DstAddr()
}

// reroute sends a packet whose destination or mark a filter changed.
func (s *Stack) reroute(x *buffer.Packet, v6 bool, o *sendOptions) error {
	q := pathQuery{dst: destination(x, v6), src: source(x, v6), mark: x.Mark, proto: o.proto, anySource: true}
	if o.owner != nil {
		q.uid = o.owner.owner.UID
	}
	p, err := s.findPath(&q)
	if err != nil {
		x.Release()
		return err
	}
	return p.leave([]*buffer.Packet{x}, o, nil)
}

// leave passes packets, which begin with their IP header, through the hook after
// routing, and sends them. in is where forwarded packets came from, nil for ours.
func (p *path) leave(ps []*buffer.Packet, o *sendOptions, in *NIC) error {
	s := p.stack
	v6 := p.dst.Is6()
	if s.filter.Load() != nil {
		c := HookContext{V6: v6, In: in, Out: p.nic, Now: s.now(), Owner: o.owner.ownerOf()}
		kept := ps[:0]
		for _, x := range ps {
			if s.ask(HookPostrouting, x, &c) {
				kept = append(kept, x)
			}
		}
		if ps = kept; len(ps) == 0 {
			return nil
		}
	}
	for _, x := range ps {
		x.Routed = true
		s.countOut(x, p, v6)
	}
	if (p.kind == toMulticast || p.kind == toBroadcast) && o.loop && !p.nic.loopback() {
		p.loopBack(ps, v6)
	}
	if o.hostOnly {
		release(ps)
		return nil
	}
	limit := p.limit(o)
	for i, x := range ps {
		if x.GSO.Size == 0 && x.Len() > limit {
			return p.fragment(ps, i, limit, v6)
		}
	}
	return p.toNeighbor(ps)
}

func (s *Stack) countOut(x *buffer.Packet, p *path, v6 bool) {
	n := x.Len()
	s.countN(pick(v6, cIpExtOutOctets, cIp6OutOctets), n)
	s.count(pick(v6, cIpOutTransmits, cIp6OutTransmits))
	switch p.kind {
	case toMulticast:
		s.count(pick(v6, cIpExtOutMcastPkts, cIp6OutMcastPkts))
		s.countN(pick(v6, cIpExtOutMcastOctets, cIp6OutMcastOctets), n)
	case toBroadcast:
		s.count(cIpExtOutBcastPkts)
		s.countN(cIpExtOutBcastOctets, n)
	}
}

// loopBack gives copies of packets to a group or a broadcast address to our own
// sockets, if we are members.
func (p *path) loopBack(ps []*buffer.Packet, v6 bool) {
	if p.kind == toMulticast && !p.nic.member(p.dst) {
		return
	}
	var copies []*buffer.Packet
	for _, x := range ps {
		c := x.Clone()
		c.Own(c.Len() - viewsLen(c.Payload()))
		if c.Checksum != buffer.ChecksumPartial {
			c.Checksum = buffer.ChecksumValid
		}
		copies = append(copies, c)
	}
	p.nic.frame(copies, p.nic.Address(), etherType(v6))
	p.stack.backlog.put(p.nic, copies)
}

func viewsLen(vs []buffer.View) int {
	n := 0
	for _, v := range vs {
		n += v.Len()
	}
	return n
}

func etherType(v6 bool) header.EtherType {
	if v6 {
		return header.EtherTypeIPv6
	}
	return header.EtherTypeIPv4
}

// fragment sends ps, of which number i and maybe others are larger than limit.
func (p *path) fragment(ps []*buffer.Packet, i, limit int, v6 bool) error {
	s := p.stack
	out := append([]*buffer.Packet(nil), ps[:i]...)
	var bad error
	for _, x := range ps[i:] {
		if x.GSO.Size != 0 || x.Len() <= limit {
			out = append(out, x)
			continue
		}
		if !v6 && header.IPv4(x.Head()).DontFragment() {
			s.count(cIpFragFails)
			x.Release()
			bad = unix.EMSGSIZE
			continue
		}
		complete(x, v6)
		x.Pull(min(x.Len(), maxIPHeader))
		before := len(out)
		if v6 {
			out = ipv6.Fragment(out, x, limit, uint32(s.randomUint64()))
		} else {
			out = ipv4.Fragment(out, x, limit)
		}
		s.count(pick(v6, cIpFragOKs, cIp6FragOKs))
		s.countN(pick(v6, cIpFragCreates, cIp6FragCreates), len(out)-before)
	}
	if len(out) == 0 {
		return bad
	}
	if err := p.toNeighbor(out); err != nil {
		return err
	}
	return bad
}

// maxIPHeader bounds the headers of IP that are made contiguous.
const maxIPHeader = 1024

// complete computes the transport's checksum of a packet that begins with its IP
// header, if a link was to do so.
func complete(x *buffer.Packet, v6 bool) {
	if x.Checksum != buffer.ChecksumPartial {
		return
	}
	fillSum(x, int(x.ChecksumStart), int(x.ChecksumOffset))
}

// fillSum completes a partial checksum: of what starts at start, to be written
// offset bytes after that.
func fillSum(x *buffer.Packet, start, offset int) {
	if !x.Own(start + offset + 2) {
		x.Checksum = buffer.ChecksumUnknown
		return
	}
	sum := sumPacket(x, start, 0)
	field := ^sum
	if offset == header.UDPChecksumOffset {
		field = header.UDPChecksum(sum)
	}
	putUint16(x.Head()[start+offset:], field)
	x.Checksum = buffer.ChecksumUnknown
}

// toNeighbor frames packets and sends them, at once or when the neighbour's
// address is known.
func (p *path) toNeighbor(ps []*buffer.Packet) error {
	n := p.nic
	t := etherType(p.dst.Is6())
	switch {
	case p.kind == toLocal || n.loopback():
		n.frame(ps, link.Address{}, t)
		return n.pass(ps)
	case p.kind == toBroadcast || n.noARP():
		n.frame(ps, n.broadcastAddress(), t)
		return n.pass(ps)
	case p.kind == toMulticast:
		n.frame(ps, header.EthernetMulticast(p.dst), t)
		return n.pass(ps)
	}
	now := p.stack.now()
	// A packet of IPv4 may go by way of a router that has an address of IPv6 (RFC 8950).
	cache, src := n.Neighbors(p.hop.Is6()), p.src
	if p.hop.Is6() != p.dst.Is6() {
		src = netip.Addr{}
	}
	for range 3 {
		e := p.entry.Load()
		if e == nil {
			if e = cache.Get(now, p.hop); e == nil {
				release(ps)
				return unix.ENOBUFS
			}
			p.entry.Store(e)
		}
		hw, ok := e.Resolved(now)
		n.armCache(cache, &n.neighTimers[bit(p.hop.Is6())])
		if ok {
			n.frame(ps, hw, t)
			return n.pass(ps)
		}
		if cache.Send(now, e, src, ps) == nil {
			return nil
		}
		p.entry.CompareAndSwap(e, nil) // it left the cache: another one
	}
	release(ps)
	return unix.ENOBUFS
}

// pass is transmit for what a sender of IP is told: that an interface is down is a
// loss to him, as on Linux.
func (n *NIC) pass(ps []*buffer.Packet) error {
	if err := n.transmit(ps); err != unix.ENETDOWN {
		return err
	}
	return nil
}

// broadcastAddress is where broadcasts go: nowhere on a link without addresses.
func (n *NIC) broadcastAddress() link.Address {
	if n.hw != link.Ethernet {
		return link.Address{}
	}
	return link.Broadcast()
}

// neighLink does for a neighbour cache what it wants done.
type neighLink struct {
	n  *NIC
	v6 bool
}

// Solicit asks for target by ARP or by neighbour solicitation.
func (l neighLink) Solicit(target, source netip.Addr, to link.Address, unicast bool) {
	if l.v6 {
		l.n.solicit6(target, source, to, unicast)
	} else {
		l.n.solicit4(target, source, to, unicast)
	}
}

// Transmit sends packets that waited for an address.
func (l neighLink) Transmit(ps []*buffer.Packet, to link.Address) {
	for i := range ps {
		l.n.frame(ps[i:i+1], to, etherType(isPacket6(ps[i])))
	}
	l.n.transmit(ps)
}

// isPacket6 reports whether a packet that begins with its IP header is one of IPv6.
func isPacket6(p *buffer.Packet) bool { return len(p.Head()) > 0 && p.Head()[0]>>4 == 6 }

// Unreachable tells the senders of packets that a neighbour did not answer.
func (l neighLink) Unreachable(target netip.Addr, ps []*buffer.Packet) {
	for _, p := range ps {
		l.n.stack.hostUnreachable(p, isPacket6(p), l.n)
	}
}

// Changed tells the watchers.
func (l neighLink) Changed(i neigh.Info, removed bool) {
	s := l.n.stack
	s.notify(Event{Kind: NeighEvent, Removed: removed, NIC: NICInfo{Index: l.n.index, Name: l.n.Name()}, Neigh: i, V6: l.v6})
	s.armNeigh(l.n, l.v6)
}

// addRoute adds what the kernel itself puts into the tables, and says so.
func (s *Stack) addRoute(ev *events, r *route.Route) {
	old, err := s.RIB(is6(r)).Add(r, route.Append)
	if err != nil {
		return
	}
	if old != nil {
		ev.route(old, true)
	}
	ev.route(r, false)
}

func is6(r *route.Route) bool { return r.Dst.Addr().Is6() }
