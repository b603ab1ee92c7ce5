package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/frag"
	"hull/netstack/header"
	"hull/netstack/ipv4"
	"hull/netstack/route"
)

// input4 takes a packet of IPv4 in, which begins with its header, and owns it.
func (s *Stack) input4(in *inbound) {
	p := in.pkt
	s.count(cIpInReceives)
	s.countN(cIpExtInOctets, p.Len())
	if !p.Pull(header.IPv4MinSize) || !p.Pull(header.IPv4(p.Head()).IHL()) {
		s.countBad(in, cIpInHdrErrors)
		return
	}
	h := header.IPv4(p.Head())
	if !h.Valid(p.Len()) {
		if len(h) >= header.IPv4MinSize && int(h.TotalLen()) > p.Len() {
			s.countBad(in, cIpExtInTruncatedPkts)
			return
		}
		s.countBad(in, cIpInHdrErrors)
		return
	}
	if !h.ChecksumValid() {
		s.count(cIpExtInCsumErrors)
		s.countBad(in, cIpInHdrErrors)
		return
	}
	if n := int(h.TotalLen()); n < p.Len() {
		p.Truncate(n)
		h = header.IPv4(p.Head())
	}
	s.count([4]counter{cIpExtInNoECTPkts, cIpExtInECT1Pkts, cIpExtInECT0Pkts, cIpExtInCEPkts}[h.TOS()&3])
	if s.filter.Load() != nil {
		if !in.arrived() {
			return
		}
		p = in.pkt
		h = header.IPv4(p.Head())
	}
	in.src, in.dst = h.SrcAddr(), h.DstAddr()
	in.proto, in.ttl, in.tos, in.ihl = uint8(h.Protocol()), h.TTL(), h.TOS(), h.IHL()
	if in.ihl > header.IPv4MinSize && !s.options4(in) {
		return
	}
	s.route4(in)
}

// options4 does what the options of a packet ask for; false if it is gone.
func (s *Stack) options4(in *inbound) bool {
	p := in.pkt
	if !p.Own(in.ihl) {
		s.countBad(in, cIpInDiscards)
		return false
	}
	h := header.IPv4(p.Head())
	local, _ := route.Source4(netip.Addr{}, in.nic.index, unix.RT_SCOPE_LINK, s.candidates(false))
	day := s.wall().UTC()
	o, bad := ipv4.ProcessOptions(h[header.IPv4MinSize:in.ihl], &ipv4.Context{
		Local: local, Milli: uint32((day.Hour()*3600+day.Minute()*60+day.Second())*1000 + day.Nanosecond()/1e6),
		Mine: func(a netip.Addr) bool { return s.isLocal(a, 0) },
	})
	if bad != 0 {
		s.count(cIpInHdrErrors)
		s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4ParamProblem, Pointer: uint8(bad)})
		p.Release()
		return false
	}
	if o.SourceRoute {
		// Source routes are a way around every filter: none is followed.
		s.countBad(in, cIpInDiscards)
		return false
	}
	if o.Changed {
		h.UpdateChecksum()
	}
	return true
}

// route4 finds out whether a packet is for us, and what is wrong with its addresses.
func (s *Stack) route4(in *inbound) {
	if in.src.IsMulticast() || limitedBroadcast(in.src) {
		s.martian(in)
		return
	}
	zero := in.src.IsUnspecified() // of 0.0.0.0/8 the others are addresses like any
	limited := limitedBroadcast(in.dst) || zero && in.dst.IsUnspecified()
	loopback := in.src.IsLoopback() || in.dst.IsLoopback()
	if loopback && !limited && !in.routed && !in.nic.or4(conf4RouteLocalnet) {
		s.martian(in)
		return
	}
	switch {
	case limited:
		if !zero && !s.validSource4(in, netip.Addr{}) {
			s.martian(in)
			return
		}
		in.multi = true
		s.count(cIpExtInBcastPkts)
		s.countN(cIpExtInBcastOctets, in.pkt.Len())
		s.local4(in)
		return
	case zero && !in.local && !in.dst.IsMulticast(), in.dst.IsUnspecified(): // what we send ourselves may have no source: lo has no address for all
		s.martian(in)
		return
	case in.dst.IsMulticast():
		if zero && !in.routed && !linkMulticast4(in.dst) && in.proto != unix.IPPROTO_IGMP || !zero && !s.validSource4(in, netip.Addr{}) {
			s.martian(in)
			return
		}
		s.count(cIpExtInMcastPkts)
		s.countN(cIpExtInMcastOctets, in.pkt.Len())
		in.multi = true
		if !in.nic.wants(in.dst, in.src, in.proto) {
			s.countBad(in, cIpInAddrErrors)
			return
		}
		s.local4(in)
		return
	}
	flow := flow4{in.nic, in.src, in.dst, in.pkt.Mark, in.kind, in.proto, in.tos & 0x1c}
	if in.b.ours == flow {
		s.local4(in)
		return
	}
	f := route.Flow{Dst: in.dst, Src: in.src, IIF: in.nic.index, TOS: flow.tos, Mark: in.pkt.Mark, Proto: in.proto}
	r, err := s.ribs[0].Lookup(&f)
	if err == nil && r.Route.Type == unix.RTN_BROADCAST {
		if !s.validSource4(in, netip.Addr{}) {
			s.martian(in)
			return
		}
		in.multi = true
		s.count(cIpExtInBcastPkts)
		s.countN(cIpExtInBcastOctets, in.pkt.Len())
		s.local4(in)
		return
	}
	// What a route sends out of the loopback interface is for ourselves, whatever its type.
	looped := err == nil && in.nic.loopback() && r.Route.Type == unix.RTN_UNICAST && r.Hop.OIF == in.nic.index
	if err == nil && r.Route.Type == unix.RTN_LOCAL || looped {
		if !s.validSource4(in, in.dst) {
			s.martian(in)
			return
		}
		if in.kind != unix.PACKET_HOST && in.nic.or4(conf4DropUnicastInL2Multicast) {
			s.countBad(in, cIpInDiscards)
			return
		}
		in.b.ours = flow
		s.local4(in)
		return
	}
	if s.intercepts(in) {
		s.local4(in)
		return
	}
	s.forward4(in, r, err)
}

// linkMulticast4 reports whether a group is one of a link's own, 224.0.0.0/24.
func linkMulticast4(a netip.Addr) bool {
	b := a.As4()
	return b[0] == 224 && b[1] == 0 && b[2] == 0
}

// martian drops a packet of an impossible address, which Linux counts nowhere.
func (s *Stack) martian(in *inbound) { in.pkt.Release() }

// validSource4 is Linux's fib_validate_source: the source is not one of ours, and
// with rp_filter the way back from dst, if it is one of ours, leads out where the packet
// came in. What the stack itself sent is not asked about.
func (s *Stack) validSource4(in *inbound, dst netip.Addr) bool {
	n := in.nic
	if in.routed {
		return true
	}
	filter := n.max4(conf4RPFilter)
	if filter == 0 {
		// The very address, not one of a loopback network.
		return n.or4(conf4AcceptLocal) || !s.isLocal(in.src, 0) || s.nicOf(in.src) == nil
	}
	f := route.Flow{Dst: in.src, Src: dst, TOS: in.tos & 0x1c}
	r, err := s.ribs[0].Lookup(&f)
	if err != nil {
		return false
	}
	switch {
	case r.Route.Type == unix.RTN_LOCAL:
		return n.or4(conf4AcceptLocal)
	case r.Route.Type != unix.RTN_UNICAST:
		return false
	}
	if filter == 1 && !r.Route.HasOIF(n.index) {
		s.count(cTcpExtIPReversePathFilter)
		return false
	}
	return true
}

// local4 takes a packet in that is for us.
func (s *Stack) local4(in *inbound) {
	if header.IPv4(in.pkt.Head()).IsFragment() && !s.reassemble4(in) {
		return
	}
	if !in.ask(HookInput, nil) {
		return
	}
	if s.filter.Load() != nil { // an answer's source is what was asked
		h := header.IPv4(in.pkt.Head())
		in.src, in.dst = h.SrcAddr(), h.DstAddr()
	}
	in.pkt.TrimFront(in.ihl)
	s.transport(in)
}

// reassemble4 takes a fragment in. It reports whether the datagram is complete;
// in is it then.
func (s *Stack) reassemble4(in *inbound) bool {
	p := in.pkt
	h := header.IPv4(p.Head())
	s.count(cIpReasmReqds)
	k := frag.Key{Src: h.SrcAddr(), Dst: h.DstAddr(), ID: uint32(h.ID()), Proto: uint8(h.Protocol())}
	d, v := s.frags4.Add(in.b.now, k, frag.Piece{
		Packet: p, HeaderLen: h.IHL(), Off: h.FragmentOffset(), More: h.MoreFragments(), ECN: h.TOS() & 3,
	})
	return s.joined(in, d, v, func() {
		h := header.IPv4(d.Packet.Head())
		ipv4.Join(d.Packet, d.HeaderLen, d.Len, h.TOS()&^3|d.ECN)
		in.ihl = d.HeaderLen
		in.tos = h.TOS()&^3 | d.ECN
	})
}

// joined counts what became of a fragment, and makes in the datagram if it is
// complete.
func (s *Stack) joined(in *inbound, d frag.Done, v frag.Verdict, join func()) bool {
	timer, r := &s.fragTimer4, s.frags4
	if in.v6 {
		timer, r = &s.fragTimer6, s.frags6
	}
	switch v {
	case frag.Held:
		if !timer.isSet() {
			timer.set(r.Deadline())
		}
		return false
	case frag.Complete:
	case frag.Duplicate:
		return false
	default:
		if v == frag.Overlap {
			s.count(cIpExtReasmOverlaps)
		}
		s.count(pick(in.v6, cIpReasmFails, cIp6ReasmFails))
		return false
	}
	if d.ECN == frag.ECNBad {
		s.count(pick(in.v6, cIpReasmFails, cIp6ReasmFails))
		d.Packet.Release()
		return false
	}
	if !d.Packet.Pull(d.HeaderLen) {
		d.Packet.Release()
		return false
	}
	join()
	d.Packet.Checksum = buffer.ChecksumUnknown
	d.Packet.GSO = buffer.GSO{}
	in.pkt, in.fragSize = d.Packet, d.MaxPiece
	s.count(pick(in.v6, cIpReasmOKs, cIp6ReasmOKs))
	return true
}

// fragTick gives up datagrams that stay incomplete.
func (s *Stack) fragTick(v6 bool) {
	r, timer := s.frags4, &s.fragTimer4
	if v6 {
		r, timer = s.frags6, &s.fragTimer6
	}
	for _, p := range r.Tick(s.now()) {
		s.count(pick(v6, cIpReasmTimeout, cIp6ReasmTimeout))
		s.count(pick(v6, cIpReasmFails, cIp6ReasmFails))
		s.reassemblyExceeded(p, v6)
		p.Release()
	}
	if d := r.Deadline(); d != 0 {
		timer.set(d)
	}
}

// unknownProtocol tells the sender that nobody here speaks the protocol, unless a
// raw socket does.
func (s *Stack) unknownProtocol(in *inbound) {
	defer in.pkt.Release()
	if in.raw {
		return
	}
	s.count(pick(in.v6, cIpInUnknownProtos, cIp6InUnknownProtos))
	in.pkt.Restore(in.ihl)
	if in.v6 {
		s.sendError6(in, header.ICMPv6Fields{Type: header.ICMPv6ParamProblem, Code: header.ICMPv6UnknownNext, Rest: uint32(in.nextField)})
		return
	}
	s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4DstUnreachable, Code: header.ICMPv4ProtocolUnreachable})
}

// intercepts reports whether a packet that is not for us is offered to the
// interceptor.
func (s *Stack) intercepts(in *inbound) bool {
	return s.interceptor.Load() != nil && !in.local && (in.proto == unix.IPPROTO_TCP || in.proto == unix.IPPROTO_UDP || in.proto == unix.IPPROTO_ICMP || in.proto == unix.IPPROTO_ICMPV6)
}
