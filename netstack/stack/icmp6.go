package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/icmp"
)

// icmpIn6 takes a message of ICMPv6 in.
func (s *Stack) icmpIn6(in *inbound) {
	p := in.pkt
	s.count(cIcmp6InMsgs)
	if !p.Pull(header.ICMPv6Size) {
		s.countBad(in, cIcmp6InErrors)
		return
	}
	if p.Checksum == buffer.ChecksumUnknown && in.sum() != 0xffff {
		s.count(cIcmp6InCsumErrors)
		s.countBad(in, cIcmp6InErrors)
		return
	}
	t := header.ICMPv6(p.Head()).Type()
	s.icmpTypes6.in[t].Add(1)
	if c := icmp6Counter(t, false); c >= 0 {
		s.count(c)
	}
	switch t {
	case header.ICMPv6EchoRequest:
		s.echo6(in)
	case header.ICMPv6EchoReply:
		s.pingIn(in)
		return
	case header.ICMPv6DstUnreachable, header.ICMPv6PacketTooBig, header.ICMPv6TimeExceeded, header.ICMPv6ParamProblem:
		s.errorIn6(in)
	case header.ICMPv6RouterSolicit, header.ICMPv6RouterAdvert, header.ICMPv6NeighborSolicit, header.ICMPv6NeighborAdvert, header.ICMPv6Redirect:
		s.ndIn(in)
	case header.ICMPv6MLDQuery, header.ICMPv6MLDReport:
		s.mldIn(in)
	case header.ICMPv6MLDDone, header.ICMPv6MLDv2Report: // for routers
	default:
		if t.IsError() {
			s.count(cIcmp6InErrors)
		}
	}
	p.Release()
}

// icmp6Counter is the counter of a type of message, -1 if it has none.
func icmp6Counter(t header.ICMPv6Type, out bool) counter {
	in, sent := counter(-1), counter(-1)
	switch t {
	case header.ICMPv6DstUnreachable:
		in, sent = cIcmp6InDestUnreachs, cIcmp6OutDestUnreachs
	case header.ICMPv6PacketTooBig:
		in, sent = cIcmp6InPktTooBigs, cIcmp6OutPktTooBigs
	case header.ICMPv6TimeExceeded:
		in, sent = cIcmp6InTimeExcds, cIcmp6OutTimeExcds
	case header.ICMPv6ParamProblem:
		in, sent = cIcmp6InParmProblems, cIcmp6OutParmProblems
	case header.ICMPv6EchoRequest:
		in, sent = cIcmp6InEchos, cIcmp6OutEchos
	case header.ICMPv6EchoReply:
		in, sent = cIcmp6InEchoReplies, cIcmp6OutEchoReplies
	case header.ICMPv6MLDQuery:
		in, sent = cIcmp6InGroupMembQueries, cIcmp6OutGroupMembQueries
	case header.ICMPv6MLDReport:
		in, sent = cIcmp6InGroupMembResponses, cIcmp6OutGroupMembResponses
	case header.ICMPv6MLDDone:
		in, sent = cIcmp6InGroupMembReductions, cIcmp6OutGroupMembReductions
	case header.ICMPv6RouterSolicit:
		in, sent = cIcmp6InRouterSolicits, cIcmp6OutRouterSolicits
	case header.ICMPv6RouterAdvert:
		in, sent = cIcmp6InRouterAdvertisements, cIcmp6OutRouterAdvertisements
	case header.ICMPv6NeighborSolicit:
		in, sent = cIcmp6InNeighborSolicits, cIcmp6OutNeighborSolicits
	case header.ICMPv6NeighborAdvert:
		in, sent = cIcmp6InNeighborAdvertisements, cIcmp6OutNeighborAdvertisements
	case header.ICMPv6Redirect:
		in, sent = cIcmp6InRedirects, cIcmp6OutRedirects
	case header.ICMPv6MLDv2Report:
		in, sent = cIcmp6InMLDv2Reports, cIcmp6OutMLDv2Reports
	}
	if out {
		return sent
	}
	return in
}

func (s *Stack) countICMPOut6(t header.ICMPv6Type) {
	s.count(cIcmp6OutMsgs)
	s.icmpTypes6.out[t].Add(1)
	if c := icmp6Counter(t, true); c >= 0 {
		s.count(c)
	}
}

// echo6 answers an echo with its own bytes.
func (s *Stack) echo6(in *inbound) {
	anycast := !in.multi && s.nicOf(in.dst) == nil && s.anycastHere(in.dst)
	switch {
	case s.tune(tV6ICMPEchoIgnoreAll) != 0,
		in.multi && s.tune(tV6ICMPEchoIgnoreMulticast) != 0,
		anycast && s.tune(tV6ICMPEchoIgnoreAnycast) != 0:
		return
	}
	p := in.pkt
	data := p.Range(header.ICMPv6Size, p.Len())
	h := header.ICMPv6(p.Head())
	r := s.cfg.Pool.NewPacket(data...)
	header.ICMPv6(r.Prepend(header.ICMPv6Size)).Encode(header.ICMPv6Fields{Type: header.ICMPv6EchoReply, ID: h.ID(), Seq: h.Seq()})
	q := pathQuery{dst: in.src, src: in.dst, proto: unix.IPPROTO_ICMPV6, tos: in.tos, anySource: true, mark: p.Mark * uint32(s.tune(tV6FwmarkReflect))}
	if in.multi || anycast && s.tune(tV6AnycastSrcEchoReply) == 0 {
		q.src, q.anySource = netip.Addr{}, false
	}
	if linkScope6(in.src) && !in.local {
		q.oif = in.nic.index
	}
	path, err := s.findPath(&q)
	if err != nil {
		r.Release()
		return
	}
	o := sendOptions{proto: unix.IPPROTO_ICMPV6, tos: in.tos, checksum: header.ICMPv6ChecksumOffset, mark: q.mark}
	if s.tune(tV6FlowlabelReflect)&4 != 0 {
		o.flow = in.flow
	}
	s.countICMPOut6(header.ICMPv6EchoReply)
	_ = path.send([]*buffer.Packet{r}, &o)
}

// sendError6 tells the sender of a packet, which begins with its IP header and
// stays the caller's, what is wrong with it: RFC 4443 section 2.4, and never more
// often than the limits allow.
func (s *Stack) sendError6(in *inbound, f header.ICMPv6Fields) {
	s.error6(in.pkt, in.nic, in.multi || in.kind != unix.PACKET_HOST, f)
}

// error6 is sendError6 for a packet that came through nic, or is ours if nic is nil.
func (s *Stack) error6(p *buffer.Packet, nic *NIC, multi bool, f header.ICMPv6Fields) {
	const quoted = header.IPv6MinMTU - header.IPv6Size - header.ICMPv6Size
	if !p.Pull(header.IPv6Size) {
		return
	}
	p.Pull(min(p.Len(), maxIPHeader))
	h := header.IPv6(p.Head())
	src, dst := h.SrcAddr(), h.DstAddr()
	if src.IsUnspecified() || src.IsMulticast() || s.anycastHere(src) {
		return
	}
	if (multi || dst.IsMulticast()) && f.Type != header.ICMPv6PacketTooBig &&
		!(f.Type == header.ICMPv6ParamProblem && f.Code == header.ICMPv6UnknownOption) {
		return
	}
	if !mayAnswer6(h) {
		return
	}
	q := pathQuery{dst: src, proto: unix.IPPROTO_ICMPV6, mark: p.Mark * uint32(s.tune(tV6FwmarkReflect))}
	if s.isLocal(dst, 0) {
		q.src = dst
	}
	if linkScope6(src) && nic != nil && !nic.loopback() {
		q.oif = nic.index
	}
	path, err := s.findPath(&q)
	if err != nil {
		return
	}
	// icmp/ratemask of IPv6 names the types that are limited: all errors but
	// "packet too big" by default.
	if !path.nic.loopback() && f.Type != header.ICMPv6PacketTooBig &&
		!s.icmpLimit6.Allow(s.now(), src, s.tune(tV6ICMPRatelimit)*1e6) {
		s.count(cIcmp6OutRateLimitHost)
		return
	}
	r := s.cfg.Pool.NewPacket(p.Range(0, min(p.Len(), quoted))...)
	header.ICMPv6(r.Prepend(header.ICMPv6Size)).Encode(f)
	s.countICMPOut6(f.Type)
	_ = path.send([]*buffer.Packet{r}, &sendOptions{proto: unix.IPPROTO_ICMPV6, checksum: header.ICMPv6ChecksumOffset, mark: q.mark})
}

// mayAnswer6 reports whether an error may be sent about a packet: not if it is an
// error or a redirect itself, or a fragment but the first.
func mayAnswer6(h header.IPv6) bool {
	it := h.Extensions()
	for e, ok := it.Next(); ok; e, ok = it.Next() {
		if e.Kind() == header.ProtocolFragment && e.Fragment().Offset() != 0 {
			return false
		}
	}
	if it.Err() || it.Protocol() != header.ProtocolICMPv6 {
		return true
	}
	rest := it.Rest()
	return len(rest) > 0 && !header.ICMPv6Type(rest[0]).IsError() && header.ICMPv6Type(rest[0]) != header.ICMPv6Redirect
}

// errorIn6 takes an error in: it tells the socket whose packet it quotes.
func (s *Stack) errorIn6(in *inbound) {
	p := in.pkt
	at := header.ICMPv6Size
	p.Pull(min(p.Len(), at+maxIPHeader))
	b := p.Head()
	quote := header.IPv6(b[at:])
	if len(quote) < header.IPv6Size || quote[0]>>4 != 6 || quote.SrcAddr().Is4In6() || quote.DstAddr().Is4In6() {
		s.count(cIcmp6InErrors)
		return
	}
	h := header.ICMPv6(b)
	m, ok := icmp.Mean6(h.Type(), h.Code())
	if !ok {
		return
	}
	it := quote.Extensions()
	for e, more := it.Next(); more; e, more = it.Next() {
		if e.Kind() == header.ProtocolFragment && e.Fragment().Offset() != 0 {
			return
		}
	}
	if it.Err() {
		return
	}
	e := icmpError{
		meaning: m, typ: uint8(h.Type()), code: uint8(h.Code()), offender: in.src, iif: in.nic.index, proto: uint8(it.Protocol()),
	}
	switch h.Type() {
	case header.ICMPv6PacketTooBig:
		e.info = h.MTU()
	case header.ICMPv6ParamProblem:
		e.info = h.Pointer()
	}
	s.failed(in, &e, quote.SrcAddr(), quote.DstAddr(), it.Rest(), at+it.Offset())
}
