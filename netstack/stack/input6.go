package stack

import (
	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/frag"
	"hull/netstack/header"
	"hull/netstack/ipv6"
	"hull/netstack/route"
)

// input6 takes a packet of IPv6 in, which begins with its header, and owns it.
func (s *Stack) input6(in *inbound) {
	in.v6 = true
	p := in.pkt
	s.count(cIp6InReceives)
	s.countN(cIp6InOctets, p.Len())
	if in.nic.conf6[conf6DisableIpv6].Load() != 0 {
		s.countBad(in, cIp6InDiscards)
		return
	}
	if !p.Pull(header.IPv6Size) || p.Head()[0]>>4 != 6 {
		s.countBad(in, cIp6InHdrErrors)
		return
	}
	h := header.IPv6(p.Head())
	if !h.Valid(p.Len()) {
		s.countBad(in, cIp6InTruncatedPkts)
		return
	}
	if n := header.IPv6Size + int(h.PayloadLen()); n < p.Len() {
		p.Truncate(n)
		h = header.IPv6(p.Head())
	}
	in.readHeader6(h)
	s.count([4]counter{cIp6InNoECTPkts, cIp6InECT1Pkts, cIp6InECT0Pkts, cIp6InCEPkts}[in.tos&3])
	if !in.sane6() {
		s.countBad(in, cIp6InAddrErrors)
		return
	}
	if s.filter.Load() != nil {
		if !in.arrived() {
			return
		}
		in.readHeader6(header.IPv6(in.pkt.Head()))
	}
	s.route6(in)
}

// readHeader6 takes note of what the header says.
func (in *inbound) readHeader6(h header.IPv6) {
	in.src, in.dst = h.SrcAddr(), h.DstAddr()
	in.proto, in.ttl, in.tos, in.flow, in.ihl = uint8(h.Next()), h.HopLimit(), h.TrafficClass(), h.FlowLabel(), header.IPv6Size
}

// sane6 reports whether the addresses of a packet may be seen on its link: RFC
// 4291 sections 2.5.3 and 2.7, and no address of IPv4 in disguise.
func (in *inbound) sane6() bool {
	if in.src.IsMulticast() || in.src.Is4In6() || in.dst.Is4In6() || in.dst.IsUnspecified() {
		return false
	}
	if in.nic.loopback() {
		return true
	}
	if in.src.IsLoopback() || in.dst.IsLoopback() {
		return false
	}
	if !in.dst.IsMulticast() {
		return true
	}
	b := in.dst.As16()
	scope := b[1] & 15
	return scope != 0 && (scope != 1 || in.kind == unix.PACKET_HOST)
}

// route6 finds out whether a packet is for us.
func (s *Stack) route6(in *inbound) {
	if in.dst.IsMulticast() {
		in.multi = true
		s.count(cIp6InMcastPkts)
		s.countN(cIp6InMcastOctets, in.pkt.Len())
		if !in.nic.wants(in.dst, in.src, in.proto) {
			s.countBad(in, cIp6InAddrErrors)
			return
		}
		s.local6(in)
		return
	}
	f := route.Flow{Dst: in.dst, Src: in.src, IIF: in.nic.index, TOS: in.tos, Mark: in.pkt.Mark, Proto: in.proto}
	r, err := s.ribs[1].Lookup(&f)
	if err == nil && (r.Route.Type == unix.RTN_LOCAL || r.Route.Type == unix.RTN_ANYCAST) {
		// An address of a link means nothing on another one.
		if in.dst.IsLinkLocalUnicast() && !in.local && in.nic.find(in.dst) == nil && !in.nic.anycast(in.dst) {
			s.countBad(in, cIp6InAddrErrors)
			return
		}
		if in.kind != unix.PACKET_HOST && (in.nic.conf6[conf6DropUnicastInL2Multicast].Load() != 0 ||
			s.conf6All[conf6DropUnicastInL2Multicast].Load() != 0) {
			s.countBad(in, cIp6InDiscards)
			return
		}
		s.local6(in)
		return
	}
	if s.intercepts(in) {
		s.local6(in)
		return
	}
	s.forward6(in, r, err)
}

// local6 takes a packet in that is for us.
func (s *Stack) local6(in *inbound) {
	if !s.wholeOf6(in, true) {
		return
	}
	if !in.ask(HookInput, nil) {
		return
	}
	if s.filter.Load() != nil {
		h := header.IPv6(in.pkt.Head())
		in.src, in.dst = h.SrcAddr(), h.DstAddr()
	}
	if in.proto == uint8(header.ProtocolNoNext) {
		in.pkt.Release()
		return
	}
	in.pkt.TrimFront(in.ihl)
	s.transport(in)
}

// wholeOf6 goes through the extension headers, and puts fragments together. It
// reports whether the packet is whole and to be gone on with. arrived says that it is
// for us.
func (s *Stack) wholeOf6(in *inbound, arrived bool) bool {
	w, ok := s.walk6(in, arrived)
	if !ok {
		return false
	}
	if w.Fragment != nil {
		if !s.reassemble6(in, &w) {
			return false
		}
		if w, ok = s.walk6(in, arrived); !ok {
			return false
		}
		if w.Fragment != nil { // fragments in fragments
			s.countBad(in, cIp6InHdrErrors)
			return false
		}
	}
	in.proto, in.ihl, in.nextField = uint8(w.Proto), w.Offset, w.NextField
	in.alert, in.hasAlert = w.RouterAlert, w.HasAlert
	return true
}

// walk6 goes through the extension headers, as the destination does if the packet
// has arrived there.
func (s *Stack) walk6(in *inbound, arrived bool) (ipv6.Walked, bool) {
	w, problem, r := ipv6.Walk(in.pkt, arrived)
	switch {
	case r == ipv6.Misrouted, w.Routed && in.kind != unix.PACKET_HOST:
		s.countBad(in, cIp6InAddrErrors)
		return w, false
	case r == ipv6.Accept:
		return w, true
	case r == ipv6.Ignore:
		in.pkt.Release()
		return w, false
	}
	s.count(cIp6InHdrErrors)
	if r == ipv6.Report {
		s.sendError6(in, header.ICMPv6Fields{Type: header.ICMPv6ParamProblem, Code: problem.Code, Rest: problem.Pointer})
	}
	in.pkt.Release()
	return w, false
}

// reassemble6 takes a fragment in. It reports whether the datagram is complete;
// in is it then.
func (s *Stack) reassemble6(in *inbound, w *ipv6.Walked) bool {
	s.count(cIp6ReasmReqds)
	k := frag.Key{Src: in.src, Dst: in.dst, ID: w.Fragment.ID()}
	if linkScope6(in.dst) || linkScope6(in.src) {
		k.IIF = in.nic.index
	}
	d, v := s.frags6.Add(in.b.now, k, frag.Piece{
		Packet: in.pkt, HeaderLen: w.Offset, Off: w.Fragment.Offset(), More: w.Fragment.More(), ECN: in.tos & 3,
	})
	return s.joined(in, d, v, func() {
		tos := header.IPv6(d.Packet.Head()).TrafficClass()&^3 | d.ECN
		first, _, _ := ipv6.Walk(d.Packet, false)
		ipv6.Join(d.Packet, d.HeaderLen, d.Len, first.FragmentField, first.Proto, tos)
		in.tos = tos
	})
}

// forward6 sends a packet on that is not for us, and owns it. r and err are what
// its route is.
func (s *Stack) forward6(in *inbound, r route.Result, err error) {
	n := in.nic
	if !n.forwards6() || in.kind != unix.PACKET_HOST || n.loopback() {
		s.countBad(in, cIp6InAddrErrors)
		return
	}
	fail := func(c counter, f header.ICMPv6Fields) {
		s.count(c)
		s.sendError6(in, f)
		in.pkt.Release()
	}
	if err != nil {
		code := header.ICMPv6NoRoute
		switch err {
		case unix.EACCES:
			code = header.ICMPv6AdminProhibited
		case unix.EINVAL:
			in.pkt.Release() // a blackhole
			return
		}
		fail(cIp6InNoRoutes, header.ICMPv6Fields{Type: header.ICMPv6DstUnreachable, Code: code})
		return
	}
	if in.ttl <= 1 {
		fail(cIp6InHdrErrors, header.ICMPv6Fields{Type: header.ICMPv6TimeExceeded})
		return
	}
	if in.src.IsUnspecified() || in.src.IsLoopback() || in.dst.IsLinkLocalUnicast() {
		s.countBad(in, cIp6InAddrErrors)
		return
	}
	if in.src.IsLinkLocalUnicast() {
		fail(cIp6InAddrErrors, header.ICMPv6Fields{Type: header.ICMPv6DstUnreachable, Code: header.ICMPv6BeyondScope})
		return
	}
	p := s.forwardPath(in, r)
	if p == nil {
		s.countBad(in, cIp6InAddrErrors)
		return
	}
	if in.tooBig(p.size) {
		s.count(cIp6InTooBigErrors)
		fail(cIp6FragFails, header.ICMPv6Fields{Type: header.ICMPv6PacketTooBig, Rest: uint32(p.size)})
		return
	}
	if p.nic == n {
		n.redirect6(in, p)
	}
	if !in.ask(HookForward, p.nic) {
		return
	}
	x := in.pkt
	if !x.Own(header.IPv6Size) {
		s.countBad(in, cIp6InDiscards)
		return
	}
	header.IPv6(x.Head()).SetHopLimit(in.ttl - 1)
	s.count(cIp6OutForwDatagrams)
	unframe(x)
	size := in.fragSize
	if size != 0 {
		size = max(size, header.IPv6MinMTU)
	}
	_ = p.leave([]*buffer.Packet{x}, &sendOptions{mtu: size}, n)
}

// forwards6 reports whether packets that arrive at the interface are sent on.
func (n *NIC) forwards6() bool {
	return n.stack.conf6All[conf6Forwarding].Load() != 0 || n.conf6[conf6ForceForwarding].Load() != 0
}
