package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/icmp"
)

// icmpIn4 takes a message of ICMP in.
func (s *Stack) icmpIn4(in *inbound) {
	p := in.pkt
	s.count(cIcmpInMsgs)
	if !p.Pull(header.ICMPv4Size) {
		s.countBad(in, cIcmpInErrors)
		return
	}
	if p.Checksum == buffer.ChecksumUnknown && sumPacket(p, 0, 0) != 0xffff {
		s.count(cIcmpInCsumErrors)
		s.countBad(in, cIcmpInErrors)
		return
	}
	h := header.ICMPv4(p.Head())
	s.icmpTypes4.in[h.Type()].Add(1)
	if h.Type() > header.ICMPv4AddressMaskReply && h.Type() != 42 && h.Type() != 43 {
		s.countBad(in, cIcmpInErrors)
		return
	}
	if in.multi {
		// RFC 1122 section 3.2.2: who answers a broadcast amplifies.
		switch h.Type() {
		case header.ICMPv4Echo, header.ICMPv4Timestamp:
			if s.tune(tICMPEchoIgnoreBroadcasts) != 0 {
				s.countBad(in, cIcmpInErrors)
				return
			}
		case header.ICMPv4EchoReply:
		default:
			s.countBad(in, cIcmpInErrors)
			return
		}
	}
	switch h.Type() {
	case header.ICMPv4Echo:
		s.count(cIcmpInEchos)
		if s.tune(tICMPEchoIgnoreAll) == 0 {
			s.reply4(in, header.ICMPv4EchoReply)
		}
	case header.ICMPv4EchoReply:
		s.count(cIcmpInEchoReps)
		s.pingIn(in)
		return
	case header.ICMPv4Timestamp:
		s.count(cIcmpInTimestamps)
		s.timestampReply(in)
	case header.ICMPv4TimestampReply:
		s.count(cIcmpInTimestampReps)
	case header.ICMPv4Redirect:
		s.count(cIcmpInRedirects)
		s.redirected4(in)
	case header.ICMPv4DstUnreachable, header.ICMPv4TimeExceeded, header.ICMPv4ParamProblem, header.ICMPv4SourceQuench:
		s.count([16]counter{3: cIcmpInDestUnreachs, 11: cIcmpInTimeExcds, 12: cIcmpInParmProbs, 4: cIcmpInSrcQuenchs}[h.Type()])
		s.errorIn4(in)
	}
	p.Release()
}

// reply4 answers an echo with its own bytes.
func (s *Stack) reply4(in *inbound, typ header.ICMPv4Type) {
	p := in.pkt
	data := p.Range(header.ICMPv4Size, p.Len())
	id, seq := header.ICMPv4(p.Head()).ID(), header.ICMPv4(p.Head()).Seq()
	r := s.cfg.Pool.NewPacket(data...)
	header.ICMPv4(r.Prepend(header.ICMPv4Size)).Encode(header.ICMPv4Fields{Type: typ, ID: id, Seq: seq})
	s.sendReply4(in, r, in.tos)
}

// timestampReply answers a timestamp request: RFC 792.
func (s *Stack) timestampReply(in *inbound) {
	const size = 20
	p := in.pkt
	if !p.Pull(size) {
		s.count(cIcmpInErrors)
		return
	}
	r := s.cfg.Pool.NewPacket()
	b := r.Prepend(size)
	copy(b, p.Head()[:size])
	header.ICMPv4(b).Encode(header.ICMPv4Fields{Type: header.ICMPv4TimestampReply, ID: header.ICMPv4(p.Head()).ID(), Seq: header.ICMPv4(p.Head()).Seq()})
	now := s.wall().UTC()
	ms := uint32((now.Hour()*3600+now.Minute()*60+now.Second())*1000 + now.Nanosecond()/1e6)
	for _, at := range [2]int{12, 16} {
		b[at], b[at+1], b[at+2], b[at+3] = byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	}
	s.sendReply4(in, r, in.tos)
}

// sendReply4 sends a message back to where in came from, from the address that it
// went to.
func (s *Stack) sendReply4(in *inbound, r *buffer.Packet, tos uint8) {
	q := pathQuery{dst: in.src, src: in.dst, proto: unix.IPPROTO_ICMP, tos: tos, anySource: true, mark: in.pkt.Mark * uint32(s.tune(tFwmarkReflect))}
	if in.multi {
		q.src, q.anySource = netip.Addr{}, false
	}
	if in.src.IsLinkLocalUnicast() {
		q.oif = in.nic.index
	}
	path, err := s.findPath(&q)
	if err != nil {
		r.Release()
		return
	}
	s.countICMPOut4(header.ICMPv4Type(r.Head()[0]))
	_ = path.send([]*buffer.Packet{r}, &sendOptions{proto: unix.IPPROTO_ICMP, tos: tos, checksum: 2, mark: q.mark})
}

func (s *Stack) countICMPOut4(t header.ICMPv4Type) {
	s.count(cIcmpOutMsgs)
	s.icmpTypes4.out[t].Add(1)
	switch t {
	case header.ICMPv4EchoReply:
		s.count(cIcmpOutEchoReps)
	case header.ICMPv4Echo:
		s.count(cIcmpOutEchos)
	case header.ICMPv4DstUnreachable:
		s.count(cIcmpOutDestUnreachs)
	case header.ICMPv4TimeExceeded:
		s.count(cIcmpOutTimeExcds)
	case header.ICMPv4ParamProblem:
		s.count(cIcmpOutParmProbs)
	case header.ICMPv4Redirect:
		s.count(cIcmpOutRedirects)
	case header.ICMPv4TimestampReply:
		s.count(cIcmpOutTimestampReps)
	}
}

// sendError4 tells the sender of a packet, which begins with its IP header and
// stays the caller's, what is wrong with it: RFC 1122 section 3.2.2, and never
// more often than the limits allow.
func (s *Stack) sendError4(in *inbound, f header.ICMPv4Fields) {
	s.error4(in.pkt, in.nic, in.multi || in.kind != unix.PACKET_HOST, f)
}

// error4 is sendError4 for a packet that came through nic, or is ours if nic is nil.
func (s *Stack) error4(p *buffer.Packet, nic *NIC, multi bool, f header.ICMPv4Fields) {
	const quoted = 576 - header.IPv4MinSize - header.ICMPv4Size
	if !p.Pull(header.IPv4MinSize) {
		return
	}
	h := header.IPv4(p.Head())
	src, dst := h.SrcAddr(), h.DstAddr()
	if multi || h.FragmentOffset() != 0 || src.IsUnspecified() || src.IsMulticast() || dst.IsMulticast() || s.isBroadcast(src) || s.isBroadcast(dst) {
		return
	}
	if h.Protocol() == header.ProtocolICMP && !mayAnswer4(p, h.IHL()) {
		return
	}
	q := pathQuery{dst: src, proto: unix.IPPROTO_ICMP, tos: h.TOS()&0x1e | 0xc0, mark: p.Mark * uint32(s.tune(tFwmarkReflect))}
	if s.isLocal(dst, 0) {
		q.src = dst
	}
	path, err := s.findPath(&q)
	if err != nil || !path.src.IsValid() || path.src.IsUnspecified() {
		// A router without an address of IPv4 has RFC 7600's section 4.8.
		q.src, q.anySource = netip.AddrFrom4([4]byte{192, 0, 0, 8}), true
		path, err = s.findPath(&q)
	}
	if err != nil {
		return
	}
	if !path.nic.loopback() && s.tune(tICMPRatemask)>>uint(f.Type)&1 != 0 && !(f.Type == header.ICMPv4DstUnreachable && f.Code == header.ICMPv4FragmentationNeeded) {
		if !s.icmpLimit.Allow(s.now(), src, s.tune(tICMPRatelimit)*1e6) {
			s.count(cIcmpOutRateLimitHost)
			return
		}
	}
	r := s.cfg.Pool.NewPacket(p.Range(0, min(p.Len(), quoted))...)
	header.ICMPv4(r.Prepend(header.ICMPv4Size)).Encode(f)
	s.countICMPOut4(f.Type)
	_ = path.send([]*buffer.Packet{r}, &sendOptions{proto: unix.IPPROTO_ICMP, tos: q.tos, checksum: 2, mark: q.mark})
}

// mayAnswer4 reports whether an error may be sent about a message of ICMP: not if
// it is an error itself.
func mayAnswer4(p *buffer.Packet, at int) bool {
	var b [1]byte
	if p.CopyTo(b[:], at) == 0 {
		return false
	}
	t := header.ICMPv4Type(b[0])
	return !t.IsError() && t <= header.ICMPv4AddressMaskReply
}

// errorIn4 takes an error in: it tells the socket whose packet it quotes.
func (s *Stack) errorIn4(in *inbound) {
	p := in.pkt
	at := header.ICMPv4Size
	p.Pull(min(p.Len(), at+header.IPv4MaxSize+header.TCPMinSize))
	b := p.Head()
	quote := header.IPv4(b[at:])
	if len(quote) < header.IPv4MinSize || quote[0]>>4 != 4 || quote.IHL() < header.IPv4MinSize || len(quote) < quote.IHL() {
		s.count(cIcmpInErrors)
		return
	}
	h := header.ICMPv4(b)
	m, ok := icmp.Mean4(h.Type(), h.Code())
	if !ok {
		return
	}
	e := icmpError{
		meaning: m, typ: uint8(h.Type()), code: uint8(h.Code()), offender: in.src, iif: in.nic.index, proto: uint8(quote.Protocol()),
	}
	rest := quote[quote.IHL():]
	if quote.FragmentOffset() != 0 {
		return
	}
	switch {
	case m.MTU:
		e.info = uint32(h.MTU())
		if e.info == 0 {
			e.info = plateau(int(quote.TotalLen()))
		}
	case h.Type() == header.ICMPv4ParamProblem:
		e.info = uint32(h.Pointer())
	}
	s.failed(in, &e, quote.SrcAddr(), quote.DstAddr(), rest, at+quote.IHL())
}

// plateau guesses the MTU of a router that does not tell it: RFC 1191 section 7.
func plateau(n int) uint32 {
	for _, p := range [...]int{32000, 17914, 8166, 4352, 2002, 1492, 576, 296} {
		if n > p {
			return uint32(p)
		}
	}
	return 68
}

// failed finds the socket that an error is for. rest is what the message quotes
// behind the IP header, which is at bytes into the message.
func (s *Stack) failed(in *inbound, e *icmpError, src, dst netip.Addr, rest []byte, at int) {
	e.v6 = in.v6
	var sport, dport uint16
	switch e.proto {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE:
		if len(rest) < 8 {
			s.count(pick(in.v6, cIcmpInErrors, cIcmp6InErrors))
			return
		}
		sport, dport = uint16(rest[0])<<8|uint16(rest[1]), uint16(rest[2])<<8|uint16(rest[3])
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		if len(rest) < 8 {
			return
		}
		sport = uint16(rest[4])<<8 | uint16(rest[5])
	}
	e.src, e.dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	e.quoted = in.pkt.Clone()
	defer e.quoted.Release()
	if !e.quoted.Pull(at) {
		return
	}
	e.quoted.TrimFront(at)
	e.quotedData = len(rest)
	iif := in.iif()
	known := false
	switch e.proto {
	case unix.IPPROTO_TCP:
		if t := s.demux.connection(e.proto, e.src, e.dst, iif); t != nil {
			known = true
			s.believeMTU(e)
			t.failed(*e)
		}
	case unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE:
		if b := s.demux.listener(e.proto, e.src, e.dst, iif, nil); b != nil {
			known = true
			s.believeMTU(e)
			b.target.failed(*e)
		}
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		if t := s.pingSocket(in.v6, src, sport, iif); t != nil {
			known = true
			s.believeMTU(e)
			t.failed(*e)
		} else if rest[0] == 8 || rest[0] == 128 {
			known = true
			s.believeMTU(e)
		}
	}
	if s.rawFailed(e, iif) && !known {
		s.believeMTU(e)
	}
}

// believeMTU learns an MTU. It is called only for packets that a socket of ours
// may have sent.
func (s *Stack) believeMTU(e *icmpError) {
	if e.meaning.MTU && s.isLocal(e.src.Addr(), 0) {
		s.learnMTU(e.dst.Addr(), int(min(e.info, 65535)))
	}
}

// reassemblyExceeded tells the sender of a datagram's first fragment that the
// others did not come.
func (s *Stack) reassemblyExceeded(p *buffer.Packet, v6 bool) {
	if v6 {
		s.error6(p, nil, false, header.ICMPv6Fields{Type: header.ICMPv6TimeExceeded, Code: header.ICMPv6ReassemblyExceeded})
		return
	}
	s.error4(p, nil, false, header.ICMPv4Fields{Type: header.ICMPv4TimeExceeded, Code: header.ICMPv4ReassemblyExceeded})
}

// hostUnreachable tells the sender of a packet, which begins with its IP header,
// that the neighbour does not answer. It owns the packet.
func (s *Stack) hostUnreachable(p *buffer.Packet, v6 bool, n *NIC) {
	defer p.Release()
	if v6 {
		s.error6(p, nil, false, header.ICMPv6Fields{Type: header.ICMPv6DstUnreachable, Code: header.ICMPv6AddressUnreachable})
		return
	}
	s.error4(p, nil, false, header.ICMPv4Fields{Type: header.ICMPv4DstUnreachable, Code: header.ICMPv4HostUnreachable})
}

// redirected4 takes a redirect in: a better first hop for one destination.
func (s *Stack) redirected4(in *inbound) {
	p := in.pkt
	at := header.ICMPv4Size
	if !p.Pull(at + header.IPv4MinSize) {
		s.count(cIcmpInErrors)
		return
	}
	quote := header.IPv4(p.Head()[at:])
	if quote[0]>>4 != 4 || !in.nic.acceptsRedirects4() || !s.isLocal(quote.SrcAddr(), 0) {
		return
	}
	gw, dst := header.ICMPv4(p.Head()).Gateway(), quote.DstAddr()
	path, err := s.findPath(&pathQuery{dst: dst})
	if err != nil || path.nic != in.nic || !path.gw || path.hop != in.src || gw == in.src {
		return
	}
	if !onLink(in.nic.list4(), gw) || s.isLocal(gw, 0) {
		return
	}
	s.pmtus.redirect(dst, gw, s.now(), s.now()+int64(300e9))
	s.epoch.Add(1)
}

func onLink(l []*ifaddr, a netip.Addr) bool {
	for _, x := range l {
		if x.Prefix.Masked().Contains(a) {
			return true
		}
	}
	return false
}

// acceptsRedirects4 is Linux's IN_DEV_RX_REDIRECTS: a router needs `all` too.
func (n *NIC) acceptsRedirects4() bool {
	if n.conf4[conf4Forwarding].Load() != 0 {
		return n.and4(conf4AcceptRedirects)
	}
	return n.or4(conf4AcceptRedirects)
}
