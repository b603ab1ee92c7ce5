package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/link"
)

// Inbound, a frame passes: NIC.Deliver → NIC.deliver (counters, taps, the link's
// header, bridge and VLAN) → input4 or input6 (checks, hook, options, route) →
// forward, or local4 and local6 (reassembly, hook, raw sockets) → transport (the
// checksum, the socket) → transport.deliver. When the whole batch is through, the
// sockets that asked for it are flushed: replies are sent, readers are woken.

// inbound is a packet on its way up to a transport.
type inbound struct {
	pkt   *buffer.Packet
	nic   *NIC
	b     *batch
	kind  uint8 // PACKET_HOST and its like: whom the frame was for
	v6    bool
	src   netip.Addr
	dst   netip.Addr
	proto uint8
	ttl   uint8
	tos   uint8
	flow  uint32
	ihl   int  // length of the IP header with what extends it
	multi bool // dst is a multicast or broadcast address
	// local: it never left the machine. iif is what it is said to have come
	// through: nic, but for packets to ourselves in IPv6.
	local bool
	// routed: we sent it, maybe to a group that we are members of.
	routed bool
	raw    bool // a raw socket got it
	// nextField is where the packet of IPv6 says its protocol.
	nextField int
	// alert is the value of a router alert option of IPv6, if hasAlert.
	alert    uint16
	hasAlert bool
	// fragSize is the length of the largest fragment that it came in, or 0.
	fragSize int
}

// deliver takes frames in that arrived at n. It owns them.
func (n *NIC) deliver(ps []*buffer.Packet, b *batch) {
	if !n.isUp() {
		n.stats.rxDropped.Add(uint64(len(ps)))
		release(ps)
		return
	}
	for _, p := range ps {
		n.stats.rxPackets.Add(1)
		n.stats.rxBytes.Add(uint64(p.Len()))
		n.frameIn(p, b)
	}
}

// frameIn looks at the link's header.
func (n *NIC) frameIn(p *buffer.Packet, b *batch) {
	size := n.headerSize()
	if !p.Pull(max(size, 1)) {
		n.stats.rxErrors.Add(1)
		p.Release()
		return
	}
	p.NetOffset = size
	typ := uint8(unix.PACKET_HOST)
	var proto header.EtherType
	if size == 0 {
		proto = header.EtherTypeIPv4
		if p.Head()[0]>>4 == 6 {
			proto = header.EtherTypeIPv6
		}
	} else {
		eth := header.Ethernet(p.Head())
		proto = eth.Type()
		if n.hw == link.Ethernet {
			typ = n.frameType(link.Address(eth.Dst()))
		}
	}
	if typ == unix.PACKET_MULTICAST {
		n.stats.multicast.Add(1)
	}
	n.stack.tapIn(n, p, typ, proto)
	if n.stack.seesFrames(filter.NetDev) && !n.stack.askFrame(filter.NetDev, filter.Ingress, p, n, nil, n) {
		return
	}
	if m := n.master.Load(); m != nil {
		m.input(n, p, b)
		return
	}
	if proto == header.EtherTypeVLAN {
		if p = n.vlanIn(p, b); p == nil {
			return
		}
		proto = header.Ethernet(p.Head()).Type() // of what the tag was before
	}
	if typ == unix.PACKET_OTHERHOST {
		p.Release()
		return
	}
	p.TrimFront(size)
	in := inbound{pkt: p, nic: n, b: b, kind: typ, local: n.loopback() && p.Routed, routed: p.Routed}
	switch proto {
	case header.EtherTypeIPv4:
		n.stack.input4(&in)
	case header.EtherTypeIPv6:
		n.stack.input6(&in)
	case header.EtherTypeARP:
		n.arpIn(p)
	default:
		n.stats.rxDropped.Add(1)
		p.Release()
	}
}

// frameType says whom a frame is for by its destination.
func (n *NIC) frameType(dst link.Address) uint8 {
	switch {
	case dst == link.Broadcast():
		return unix.PACKET_BROADCAST
	case dst[0]&1 != 0:
		return unix.PACKET_MULTICAST
	case dst == n.Address():
		return unix.PACKET_HOST
	}
	return unix.PACKET_OTHERHOST
}

// vlanIn takes the tag off a frame and gives it to the interface of the VLAN. A tag
// that says a priority and no VLAN leaves the frame to n, as if it had none: it is
// returned then.
func (n *NIC) vlanIn(p *buffer.Packet, b *batch) *buffer.Packet {
	if !p.Own(header.EthernetSize + header.VLANSize) {
		n.stats.rxErrors.Add(1)
		p.Release()
		return nil
	}
	h := p.Head()
	tag := header.VLAN(h[header.EthernetSize:])
	var v *NIC
	if vs := n.vlans.Load(); vs != nil {
		v = (*vs)[tag.ID()]
	}
	if v == nil && tag.ID() == 0 {
		v = n
	}
	if v == nil || !v.isUp() {
		n.stats.rxDropped.Add(1)
		p.Release()
		return nil
	}
	// The addresses move over the tag; its type becomes the frame's.
	copy(h[header.VLANSize:], h[:header.EthernetSize-2])
	if p.Checksum == buffer.ChecksumPartial {
		p.ChecksumStart -= header.VLANSize
	}
	p.TrimFront(header.VLANSize)
	if v == n {
		return p
	}
	v.stats.rxPackets.Add(1)
	v.stats.rxBytes.Add(uint64(p.Len()))
	v.frameIn(p, b)
	return nil
}

// transport gives a packet, which is trimmed to its transport's header, to whom it
// is for, and owns it.
func (s *Stack) transport(in *inbound) {
	p := in.pkt
	p.TransportOffset = p.NetOffset + in.ihl
	if p.Checksum == buffer.ChecksumPartial {
		p.Checksum = buffer.ChecksumValid // it never was on a wire
	}
	s.count(pick(in.v6, cIpInDelivers, cIp6InDelivers))
	if in.proto != unix.IPPROTO_TCP || in.v6 {
		s.rawDeliver(in)
	}
	switch in.proto {
	case unix.IPPROTO_TCP:
		if !in.v6 {
			s.rawDeliver(in)
		}
		s.tcpIn(in)
	case unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE:
		s.udpIn(in)
	case unix.IPPROTO_ICMP:
		if in.v6 {
			s.unknownProtocol(in)
			return
		}
		s.icmpIn4(in)
	case unix.IPPROTO_IGMP:
		if in.v6 {
			s.unknownProtocol(in)
			return
		}
		s.igmpIn(in)
	case unix.IPPROTO_ICMPV6:
		if !in.v6 {
			s.unknownProtocol(in)
			return
		}
		s.icmpIn6(in)
	default:
		s.unknownProtocol(in)
	}
}

// received is what a transport is told of the packet. It is the batch's, and good
// until the next packet.
func (in *inbound) received() *received {
	r := &in.b.r
	*r = received{
		pkt: in.pkt, nic: in.nic, v6: in.v6, proto: in.proto, ttl: in.ttl, tos: in.tos, flow: in.flow, multi: in.multi, rx: in.b,
		src: netip.AddrPortFrom(in.src, 0), dst: netip.AddrPortFrom(in.dst, 0),
		checked: in.pkt.Checksum == buffer.ChecksumValid, local: in.local, fragSize: in.fragSize,
	}
	return r
}

// sum is the sum over a transport's packet and its pseudo header.
func (in *inbound) sum() uint16 {
	n := in.pkt.Len()
	return sumPacket(in.pkt, 0, header.PseudoHeader(header.Protocol(in.proto), in.src, in.dst, n))
}

// tcpIn checks a segment and gives it to its connection, or its listener.
func (s *Stack) tcpIn(in *inbound) {
	p := in.pkt
	s.count(cTcpInSegs)
	if in.multi || in.kind != unix.PACKET_HOST || !p.Pull(header.TCPMinSize) {
		s.countBad(in, cTcpInErrs)
		return
	}
	h := header.TCP(p.Head())
	if n := h.DataOffset(); n < header.TCPMinSize || !p.Pull(n) {
		s.countBad(in, cTcpInErrs)
		return
	}
	if p.Checksum == buffer.ChecksumUnknown {
		if in.sum() != 0xffff {
			s.count(cTcpInCsumErrors)
			s.countBad(in, cTcpInErrs)
			return
		}
		p.Checksum = buffer.ChecksumValid
	}
	h = header.TCP(p.Head())
	r := in.received()
	r.src, r.dst = netip.AddrPortFrom(in.src, h.SrcPort()), netip.AddrPortFrom(in.dst, h.DstPort())
	iif := in.iif()
	if t := s.demux.connection(unix.IPPROTO_TCP, r.dst, r.src, iif); t != nil {
		t.deliver(in.b.now, r)
		return
	}
	s.tcpUnmatched(in.b.now, s.demux.listener(unix.IPPROTO_TCP, r.dst, r.src, iif, r), r)
}

func (s *Stack) countBad(in *inbound, c counter) {
	s.count(c)
	in.pkt.Release()
}

// iif is the interface that the packet is said to have come through.
func (in *inbound) iif() int {
	if in.v6 && in.local {
		for _, n := range in.nic.stack.NICs() {
			if n.find(in.dst) != nil {
				return n.index
			}
		}
	}
	return in.nic.index
}
