package netproxy

import (
	"time"

	"hull/netstack/buffer"
	"hull/netstack/frag"
	"hull/netstack/header"
	"hull/netstack/ipv4"
	"hull/netstack/ipv6"
)

// How long a datagram of the guest's may stay incomplete, as its own stack has it.
const fragmentPatience = 30 * time.Second

// whole puts fragments together: what it returns is complete, or nil if p is a part of
// something that is not there yet, or broken. It owns p.
func (t *translator) whole(p *buffer.Packet) *buffer.Packet {
	e := header.Ethernet(p.Head())
	if !e.Valid() {
		return p // for parse to refuse
	}
	size := p.Len() - header.EthernetSize
	switch rest := p.Head()[header.EthernetSize:]; e.Type() {
	case header.EtherTypeIPv4:
		h := header.IPv4(rest)
		if !h.Valid(size) || !h.IsFragment() {
			return p
		}
		if !h.ChecksumValid() || h.SrcAddr() != guestAddr4() {
			break
		}
		p.Truncate(header.EthernetSize + int(h.TotalLen()))
		p.TrimFront(header.EthernetSize)
		return t.part4(p)
	case header.EtherTypeIPv6:
		h := header.IPv6(rest)
		if !h.Valid(size) || h.SrcAddr() != guestAddr6() {
			return p
		}
		p.TrimFront(header.EthernetSize)
		w, _, verdict := ipv6.Walk(p, true)
		if verdict == ipv6.Accept && w.Fragment != nil {
			p.Truncate(header.IPv6Size + int(header.IPv6(p.Head()).PayloadLen()))
			return t.part6(p, w)
		}
		p.Restore(header.EthernetSize)
		return p
	default:
		return p
	}
	p.Release()
	return nil
}

// part4 and part6 take a fragment, which begins with its IP header.
func (t *translator) part4(p *buffer.Packet) *buffer.Packet {
	h := header.IPv4(p.Head())
	k := frag.Key{Src: h.SrcAddr(), Dst: h.DstAddr(), ID: uint32(h.ID()), Proto: uint8(h.Protocol())}
	d := t.piece(k, frag.Piece{Packet: p, HeaderLen: h.IHL(), Off: h.FragmentOffset(), More: h.MoreFragments(), ECN: h.TOS() & 3})
	if d.Packet == nil {
		return nil
	}
	ipv4.Join(d.Packet, d.HeaderLen, d.Len, header.IPv4(d.Packet.Head()).TOS()&^3|d.ECN)
	return framed(d.Packet, header.EtherTypeIPv4)
}

func (t *translator) part6(p *buffer.Packet, w ipv6.Walked) *buffer.Packet {
	h := header.IPv6(p.Head())
	k := frag.Key{Src: h.SrcAddr(), Dst: h.DstAddr(), ID: w.Fragment.ID()}
	d := t.piece(k, frag.Piece{Packet: p, HeaderLen: w.Offset, Off: w.Fragment.Offset(), More: w.Fragment.More(), ECN: h.TrafficClass() & 3})
	if d.Packet == nil {
		return nil
	}
	first, _, _ := ipv6.Walk(d.Packet, true)
	tos := header.IPv6(d.Packet.Head()).TrafficClass()&^3 | d.ECN
	ipv6.Join(d.Packet, d.HeaderLen, d.Len, first.FragmentField, first.Proto, tos)
	return framed(d.Packet, header.EtherTypeIPv6)
}

// piece adds a fragment. The datagram has a packet if it is complete.
func (t *translator) piece(k frag.Key, f frag.Piece) frag.Done {
	now := time.Now().UnixNano()
	for _, p := range t.fragments.Tick(now) { // what is too old goes when another one comes
		p.Release()
	}
	d, v := t.fragments.Add(now, k, f)
	if v != frag.Complete {
		return frag.Done{}
	}
	if d.ECN == frag.ECNBad || !d.Packet.Pull(d.HeaderLen) {
		d.Packet.Release()
		return frag.Done{}
	}
	d.Packet.Checksum, d.Packet.GSO = buffer.ChecksumUnknown, buffer.GSO{}
	return d
}

// framed puts the guest's Ethernet header before a packet.
func framed(p *buffer.Packet, kind header.EtherType) *buffer.Packet {
	header.Ethernet(p.Prepend(header.EthernetSize)).Encode(header.EthernetFields{Src: GuestMAC(), Dst: HostMAC(), Type: kind})
	return p
}
