package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
)

// What a rule answers to a packet, and where else it sends one. A packet of IP is
// answered as the network layer would, by a route; a frame is answered by the way
// that it came, whoever's addresses are in it.

// maxCopies bounds how often one packet is sent elsewhere by rules: what would go
// round for ever ends.
const maxCopies = 4

// RejectICMP implements filter.Host.
func (f *netfilter) RejectICMP(h filter.Hook, p *buffer.Packet, c *filter.Context, typ, code uint8) {
	if c.Frame {
		f.answerICMP(h, p, c, typ, code)
		return
	}
	var nic *NIC
	if c.In != nil {
		nic = f.stack.NIC(c.In.Index)
	}
	multi := c.PacketType != unix.PACKET_HOST
	if c.V6 {
		f.stack.error6(p, nic, multi, header.ICMPv6Fields{Type: header.ICMPv6Type(typ), Code: header.ICMPv6Code(code)})
		return
	}
	f.stack.error4(p, nic, multi, header.ICMPv4Fields{Type: header.ICMPv4Type(typ), Code: header.ICMPv4Code(code)})
}

// RejectReset implements filter.Host: it answers a segment as a host without such
// a port would, RFC 9293 section 3.10.7.1.
func (f *netfilter) RejectReset(_ filter.Hook, p *buffer.Packet, c *filter.Context) {
	q := pathQuery{proto: unix.IPPROTO_TCP, anySource: true, mark: p.Mark}
	at := header.IPv6Size
	if c.V6 {
		h := header.IPv6(p.Head())
		q.src, q.dst = h.DstAddr(), h.SrcAddr()
		it := h.Extensions()
		for _, ok := it.Next(); ok; _, ok = it.Next() {
			at = it.Offset()
		}
	} else {
		h := header.IPv4(p.Head())
		q.src, q.dst, at = h.DstAddr(), h.SrcAddr(), h.IHL()
	}
	if q.src.IsMulticast() || len(p.Head()) < at+header.TCPMinSize {
		return
	}
	r := resetTo(header.TCP(p.Head()[at:]), p.Len()-at)
	x := f.stack.cfg.Pool.NewPacket()
	header.TCP(x.Prepend(header.TCPMinSize)).Encode(r)
	o := sendOptions{proto: unix.IPPROTO_TCP, checksum: header.TCPChecksumOffset, dontFrag: true, mark: q.mark}
	if c.Frame {
		f.answer(x, c, q.src, q.dst, &o)
		return
	}
	path, err := f.stack.findPath(&q)
	if err != nil {
		x.Release()
		return
	}
	_ = path.send([]*buffer.Packet{x}, &o)
}

// resetTo is the reset that answers a segment of size bytes.
func resetTo(in header.TCP, size int) header.TCPFields {
	r := header.TCPFields{SrcPort: in.DstPort(), DstPort: in.SrcPort(), Flags: header.RST}
	if in.Flags()&header.ACK != 0 {
		r.Seq = in.Ack()
		return r
	}
	r.Flags |= header.ACK
	r.Ack = in.Seq() + uint32(max(size-in.DataOffset(), 0))
	if in.Flags()&header.SYN != 0 {
		r.Ack++
	}
	if in.Flags()&header.FIN != 0 {
		r.Ack++
	}
	return r
}

// answerICMP answers a frame with an error, unless it is one itself.
func (f *netfilter) answerICMP(_ filter.Hook, p *buffer.Packet, c *filter.Context, typ, code uint8) {
	const most4, most6 = 536, 1220 // as Linux's nf_reject quotes
	if c.V6 {
		if !p.Pull(min(p.Len(), maxIPHeader)) || p.Len() < header.IPv6Size {
			return
		}
		h := header.IPv6(p.Head())
		src, dst := h.SrcAddr(), h.DstAddr()
		if !mayAnswer6(h) || src.IsMulticast() || src.IsUnspecified() || dst.IsMulticast() {
			return
		}
		r := f.stack.cfg.Pool.NewPacket(p.Range(0, min(p.Len(), most6))...)
		header.ICMPv6(r.Prepend(header.ICMPv6Size)).Encode(header.ICMPv6Fields{Type: header.ICMPv6Type(typ), Code: header.ICMPv6Code(code)})
		f.answer(r, c, dst, src, &sendOptions{proto: unix.IPPROTO_ICMPV6, checksum: header.ICMPv6ChecksumOffset})
		return
	}
	if !p.Pull(header.IPv4MinSize) {
		return
	}
	h := header.IPv4(p.Head())
	if h.FragmentOffset() != 0 || h.Protocol() == header.ProtocolICMP && !mayAnswer4(p, h.IHL()) {
		return
	}
	r := f.stack.cfg.Pool.NewPacket(p.Range(0, min(p.Len(), most4))...)
	header.ICMPv4(r.Prepend(header.ICMPv4Size)).Encode(header.ICMPv4Fields{Type: header.ICMPv4Type(typ), Code: header.ICMPv4Code(code)})
	f.answer(r, c, h.DstAddr(), h.SrcAddr(), &sendOptions{proto: unix.IPPROTO_ICMP, checksum: 2, dontFrag: true})
}

// answer sends a message back out of the interface that a frame came in at, from
// whom it was for. It owns the message.
func (f *netfilter) answer(x *buffer.Packet, c *filter.Context, src, dst netip.Addr, o *sendOptions) {
	var n *NIC
	if c.In != nil {
		n = f.stack.NIC(c.In.Index)
	}
	if n == nil || len(c.LinkHeader) < n.headerSize() || len(c.LinkHeader) > 0 && c.LinkHeader[0]&1 != 0 {
		x.Release()
		return
	}
	p := f.stack.newPath(&pathQuery{src: src, dst: dst, anySource: true})
	p.nic, p.src, p.size = n, src, n.ipMTU()
	p.prepare(x, o)
	if dst.Is6() {
		p.prepend6(x, o)
	} else {
		p.prepend4(x, o)
	}
	size := len(c.LinkHeader)
	b := x.Prepend(size)
	copy(b, c.LinkHeader)
	if size >= header.EthernetSize {
		copy(b[0:6], c.LinkHeader[6:12])
		copy(b[6:12], c.LinkHeader[0:6])
	}
	f.framed(x, size)
	_ = n.transmit([]*buffer.Packet{x})
}

// framed makes the offsets of a packet those of its frame, whose header of size
// bytes was put before it.
func (f *netfilter) framed(x *buffer.Packet, size int) {
	if x.Checksum == buffer.ChecksumPartial {
		x.ChecksumStart += uint16(size)
	}
	x.NetOffset += size
	x.TransportOffset += size
}

// copyOf returns a copy of a packet that is sent elsewhere, nil if it was too often.
func copyOf(p *buffer.Packet) *buffer.Packet {
	if p.Copies >= maxCopies {
		return nil
	}
	x := p.Clone()
	x.Copies++
	x.Track = nil
	return x
}

// SendFrame implements filter.Host.
func (f *netfilter) SendFrame(p *buffer.Packet, c *filter.Context, oif int) {
	n := f.stack.NIC(oif)
	if n == nil || !n.isUp() || len(c.LinkHeader) < n.headerSize() || n.headerSize() == 0 && len(c.LinkHeader) != 0 {
		return
	}
	if x := copyOf(p); x != nil {
		x.Restore(len(c.LinkHeader))
		n.forwardFrame(x)
	}
}

// SendToNeighbor implements filter.Host: it does what a router does.
func (f *netfilter) SendToNeighbor(p *buffer.Packet, c *filter.Context, to netip.Addr, oif int) {
	n := f.stack.NIC(oif)
	if n == nil || !n.isUp() {
		return
	}
	x := copyOf(p)
	if x == nil {
		return
	}
	x.NetOffset = len(c.LinkHeader)
	unframe(x)
	if !age(x, c.V6) {
		x.Release()
		return
	}
	way := f.stack.newPath(&pathQuery{src: source(x, c.V6), dst: destination(x, c.V6), anySource: true})
	way.nic, way.hop, way.gw, way.size = n, to, true, n.ipMTU()
	way.kind = toUnicast
	way.emit(x)
}

// age takes one from the packet's time to live: false if it had no more.
func age(x *buffer.Packet, v6 bool) bool {
	if v6 {
		if !x.Own(header.IPv6Size) || header.IPv6(x.Head()).HopLimit() <= 1 {
			return false
		}
		h := header.IPv6(x.Head())
		h.SetHopLimit(h.HopLimit() - 1)
		return true
	}
	if !x.Own(header.IPv4MinSize) || header.IPv4(x.Head()).TTL() <= 1 {
		return false
	}
	h := header.IPv4(x.Head())
	h.SetTTL(h.TTL() - 1)
	return true
}

// emit sends a packet that needs no more hooks, and owns it.
func (p *path) emit(x *buffer.Packet) {
	v6 := p.dst.Is6()
	if x.GSO.Size == 0 && x.Len() > p.size {
		_ = p.fragment([]*buffer.Packet{x}, 0, p.size, v6)
		return
	}
	_ = p.toNeighbor([]*buffer.Packet{x})
}

// SendCopy implements filter.Host. The copy meets no rules on its way out: it would
// be copied again.
func (f *netfilter) SendCopy(h filter.Hook, p *buffer.Packet, c *filter.Context, gateway netip.Addr, oif int) {
	way, err := f.stack.findPath(&pathQuery{dst: gateway, oif: oif, anySource: true})
	if err != nil {
		return
	}
	x := copyOf(p)
	if x == nil {
		return
	}
	if h == filter.Output || h == filter.Postrouting {
		x.NetOffset = 0
	}
	unframe(x)
	if (h == filter.Prerouting || h == filter.Input) && !age(x, c.V6) {
		x.Release()
		return
	}
	way.emit(x)
}
