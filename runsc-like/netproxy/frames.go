package netproxy

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// send sends the guest a packet of a protocol, whose header is the packet's so far.
func (t *translator) send(p *buffer.Packet, proto header.Protocol, src, dst netip.Addr) {
	n := p.Len()
	const ttl = 64
	kind := header.EtherTypeIPv4
	if dst.Is4() {
		header.IPv4(p.Prepend(header.IPv4MinSize)).Encode(header.IPv4Fields{
			TotalLen: uint16(n + header.IPv4MinSize), DontFragment: true, TTL: ttl, Protocol: proto, Src: src, Dst: dst,
		})
	} else {
		kind = header.EtherTypeIPv6
		header.IPv6(p.Prepend(header.IPv6Size)).Encode(header.IPv6Fields{PayloadLen: uint16(n), Next: proto, HopLimit: ttl, Src: src, Dst: dst})
	}
	header.Ethernet(p.Prepend(header.EthernetSize)).Encode(header.EthernetFields{Src: HostMAC(), Dst: GuestMAC(), Type: kind})
	_, _ = t.Endpoint.Send([]*buffer.Packet{p}) // as on any wire
}

// sendDatagram sends the guest a datagram of UDP.
func (t *translator) sendDatagram(src, dst netip.AddrPort, data []byte) {
	p := t.p.pool.NewPacket(t.p.pool.CopyIn(data)...)
	size := len(data) + header.UDPSize
	h := header.UDP(p.Prepend(header.UDPSize))
	h.Encode(header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(size)})
	sum := header.Checksum(h, header.PseudoHeader(header.ProtocolUDP, src.Addr(), dst.Addr(), size))
	h.SetChecksum(header.UDPChecksum(header.Checksum(data, sum)))
	t.send(p, header.ProtocolUDP, src.Addr(), dst.Addr())
}

// reset answers a segment that belongs to nothing (RFC 9293 section 3.10.7.1).
func (t *translator) reset(f frame, seg header.TCP, payload int) {
	if seg.Flags()&header.RST != 0 {
		return
	}
	fields := header.TCPFields{SrcPort: seg.DstPort(), DstPort: seg.SrcPort(), Flags: header.RST}
	if seg.Flags()&header.ACK != 0 {
		fields.Seq = seg.Ack()
	} else {
		n := uint32(payload)
		if seg.Flags()&header.SYN != 0 {
			n++
		}
		if seg.Flags()&header.FIN != 0 {
			n++
		}
		fields.Ack, fields.Flags = seg.Seq()+n, header.RST|header.ACK
	}
	p := t.p.pool.NewPacket()
	h := header.TCP(p.Prepend(header.TCPMinSize))
	h.Encode(fields)
	h.SetChecksum(^header.Checksum(h, header.PseudoHeader(header.ProtocolTCP, f.dst, f.src, len(h))))
	t.send(p, header.ProtocolTCP, f.dst, f.src)
}

// unreachable says with a message of ICMP why a packet went nowhere. quote is the
// packet from its network header on.
func (t *translator) unreachable(f frame, quote []byte, why unix.Errno) {
	var p *buffer.Packet
	if f.src.Is4() {
		code := header.ICMPv4HostUnreachable
		switch why {
		case unix.ECONNREFUSED:
			code = header.ICMPv4PortUnreachable
		case unix.ENETUNREACH:
			code = header.ICMPv4NetUnreachable
		case unix.EACCES:
			code = header.ICMPv4AdminProhibited
		}
		const most = 548 // RFC 1812 section 4.3.2.3: 576 in all
		quote = quote[:min(len(quote), most)]
		p = t.p.pool.NewPacket()
		b := p.Prepend(header.ICMPv4Size + len(quote))
		copy(b[header.ICMPv4Size:], quote)
		h := header.ICMPv4(b)
		h.Encode(header.ICMPv4Fields{Type: header.ICMPv4DstUnreachable, Code: code})
		h.UpdateChecksum()
		t.send(p, header.ProtocolICMP, hostAddr4(), f.src)
		return
	}
	code := header.ICMPv6AddressUnreachable
	switch why {
	case unix.ECONNREFUSED:
		code = header.ICMPv6PortUnreachable
	case unix.ENETUNREACH:
		code = header.ICMPv6NoRoute
	case unix.EACCES:
		code = header.ICMPv6AdminProhibited
	}
	const most = header.IPv6MinMTU - header.IPv6Size - header.ICMPv6Size
	quote = quote[:min(len(quote), most)]
	p = t.p.pool.NewPacket()
	b := p.Prepend(header.ICMPv6Size + len(quote))
	copy(b[header.ICMPv6Size:], quote)
	h := header.ICMPv6(b)
	h.Encode(header.ICMPv6Fields{Type: header.ICMPv6DstUnreachable, Code: code})
	h.UpdateChecksum(hostAddr6(), f.src)
	t.send(p, header.ProtocolICMPv6, hostAddr6(), f.src)
}
