package conntrack

import (
	"encoding/binary"
	"net/netip"

	"hull/netstack/header"
)

// Tuple is a connection seen from one direction. Of ICMP the source port is the
// identifier and the destination port type and code.
type Tuple struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Zone             uint16
	Proto            header.Protocol
}

// Zones is the zones that a connection has: of its original direction, and of that of
// replies. Tuples of different zones are different. Who gives only one direction a
// zone keeps apart what comes from several networks that have the same addresses, and
// has the answers, which come from one, find their way.
type Zones [2]uint16

// Inverse is the tuple of the packets in the other direction, of the same zone.
func (t Tuple) Inverse() Tuple {
	r := t
	r.Src, r.Dst = t.Dst, t.Src
	switch t.Proto {
	case header.ProtocolICMP, header.ProtocolICMPv6:
		r.DstPort = uint16(inverseType(t.Proto, uint8(t.DstPort>>8)))<<8 | t.DstPort&0xff
	default:
		r.SrcPort, r.DstPort = t.DstPort, t.SrcPort
	}
	return r
}

// inverseType is the type of ICMP that answers typ, or that typ answers; typ itself
// if it is neither.
func inverseType(p header.Protocol, typ uint8) uint8 {
	pairs := [...][2]uint8{{8, 0}, {13, 14}, {15, 16}, {17, 18}}
	if p == header.ProtocolICMPv6 {
		pairs = [...][2]uint8{{128, 129}, {139, 140}, {128, 129}, {128, 129}}
	}
	for _, q := range pairs {
		switch typ {
		case q[0]:
			return q[1]
		case q[1]:
			return q[0]
		}
	}
	return typ
}

// quotedByRedirect is where a redirect (RFC 4861 section 4.5) has the packet that it
// is about, or 0.
func quotedByRedirect(b []byte) int {
	const redirect, targetLinkAddr, redirectedHeader = 137, 2, 4
	if b[0] != redirect {
		return 0
	}
	for at := 40; at+8 <= len(b) && b[at+1] > 0; at += int(b[at+1]) * 8 {
		switch b[at] {
		case redirectedHeader:
			return at + 8
		case targetLinkAddr:
		default:
			return 0
		}
	}
	return 0
}

// asks reports whether a message of ICMP begins a connection.
func asks(p header.Protocol, typ uint8) bool {
	if p == header.ProtocolICMPv6 {
		return typ == 128 || typ == 139
	}
	return typ == 8 || typ == 13 || typ == 15 || typ == 17
}

// Packet is what is read of a packet's headers.
type Packet struct {
	Tuple     Tuple // its zone is not looked at
	Zones     Zones
	V6        bool
	Transport int  // where the transport's header is, from the network's
	Fragment  bool // not the first: there is no transport header
	Short     bool // the transport's header is cut off, or wrong
	Len       int  // of the whole packet
	Flags     header.TCPFlags
	ICMPType  uint8
	Error     bool // of ICMP: it quotes a packet, at Quoted
	Quoted    int
}

// Parse reads the headers of a packet at the beginning of b, which is as much of
// it as is contiguous; size is the length of the whole packet. ok is false for
// what is no packet of IP.
func Parse(b []byte, v6 bool, size int) (p Packet, ok bool) {
	p.V6, p.Len = v6, size
	if v6 {
		if len(b) < header.IPv6Size || b[0]>>4 != 6 {
			return p, false
		}
		h := header.IPv6(b)
		p.Tuple.Src, p.Tuple.Dst = h.SrcAddr(), h.DstAddr()
		it := h.Extensions()
		for e, ok := it.Next(); ok; e, ok = it.Next() {
			if e.Kind() == header.ProtocolFragment && e.Fragment().Offset() != 0 {
				p.Fragment = true
			}
		}
		p.Tuple.Proto, p.Transport, p.Short = it.Protocol(), it.Offset(), it.Err()
	} else {
		if len(b) < header.IPv4MinSize || b[0]>>4 != 4 {
			return p, false
		}
		h := header.IPv4(b)
		if h.IHL() < header.IPv4MinSize || h.IHL() > len(b) {
			return p, false
		}
		p.Tuple.Src, p.Tuple.Dst, p.Tuple.Proto, p.Transport = h.SrcAddr(), h.DstAddr(), h.Protocol(), h.IHL()
		p.Fragment = h.FragmentOffset() != 0
	}
	if !p.Fragment && !p.Short {
		p.transport(b[min(p.Transport, len(b)):])
	}
	return p, true
}

// transport reads ports, or what stands for them.
func (p *Packet) transport(b []byte) {
	be := binary.BigEndian
	switch p.Tuple.Proto {
	case header.ProtocolTCP:
		if len(b) < header.TCPMinSize {
			p.quotedPorts(b)
			return
		}
		h := header.TCP(b)
		p.Tuple.SrcPort, p.Tuple.DstPort, p.Flags = h.SrcPort(), h.DstPort(), h.Flags()
		p.Short = h.DataOffset() < header.TCPMinSize
	case header.ProtocolUDP, header.ProtocolUDPLite, header.ProtocolSCTP:
		if len(b) < header.UDPSize {
			p.quotedPorts(b)
			return
		}
		p.Tuple.SrcPort, p.Tuple.DstPort = be.Uint16(b), be.Uint16(b[2:])
	case header.ProtocolICMP, header.ProtocolICMPv6:
		if len(b) < header.ICMPv4Size {
			p.Short = true
			return
		}
		p.ICMPType = b[0]
		p.Tuple.DstPort = uint16(b[0])<<8 | uint16(b[1])
		if p.Tuple.Proto == header.ProtocolICMP {
			p.Error = header.ICMPv4Type(b[0]).IsError()
		} else {
			p.Error = b[0] < 128
			if at := quotedByRedirect(b); at > 0 {
				p.Error, p.Quoted = true, p.Transport+at
				return
			}
		}
		if p.Error {
			p.Quoted = p.Transport + header.ICMPv4Size
			return
		}
		if inverseType(p.Tuple.Proto, b[0]) != b[0] {
			p.Tuple.SrcPort = be.Uint16(b[4:])
		}
	}
}

// quotedPorts reads the ports of a header that is cut off behind them: that of a
// packet that an error quotes.
func (p *Packet) quotedPorts(b []byte) {
	p.Short = true
	if len(b) >= 4 {
		p.Tuple.SrcPort, p.Tuple.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
}
