package ipv6

import (
	"hull/netstack/buffer"
	"hull/netstack/header"
)

// unfragmentable returns how many of a packet's first bytes every fragment bears,
// RFC 8200 section 4.5: the header and what is up to a routing header, or the
// hop-by-hop options; what follows; and where that is said.
func unfragmentable(h header.IPv6) (size int, next header.Protocol, field int) {
	it := h.Extensions()
	size, next, field = header.IPv6Size, h.Next(), 6
	for e, ok := it.Next(); ok; e, ok = it.Next() {
		if e.Kind() == header.ProtocolHopByHop || e.Kind() == header.ProtocolRouting {
			size, next, field = it.Offset(), e.Next(), it.NextField()
		}
	}
	return size, next, field
}

// Fragment cuts a packet, which starts with its header, into packets of at most
// mtu bytes, and appends them to out. It takes p over. The transport's checksum
// must be complete.
func Fragment(out []*buffer.Packet, p *buffer.Packet, mtu int, id uint32) []*buffer.Packet {
	size, next, field := unfragmentable(header.IPv6(p.Head()))
	head := append([]byte(nil), p.Head()[:size]...)
	head[field] = uint8(header.ProtocolFragment)
	total := p.Len() - size
	whole := size + header.IPv6FragmentSize
	for off := 0; off < total; {
		n := total - off
		if n > mtu-whole {
			n = (mtu - whole) &^ 7
		}
		if n <= 0 {
			break
		}
		f := p.Pool().NewPacket(p.Range(size+off, size+off+n)...)
		b := f.Prepend(whole)
		copy(b, head)
		header.IPv6(b).SetPayloadLen(uint16(whole - header.IPv6Size + n))
		header.IPv6Fragment(b[size:]).Encode(header.IPv6FragmentFields{Next: next, Offset: off, More: off+n < total, ID: id})
		f.Received, f.Routed = p.Received, p.Routed
		if off == 0 {
			f.Stamp = p.Stamp
		}
		out = append(out, f)
		off += n
	}
	p.Release()
	return out
}

// Join takes the fragment header out of a datagram that was put together: the
// first size bytes of p, of which the last are the fragment header, are followed
// by payload bytes.
func Join(p *buffer.Packet, size, payload, field int, next header.Protocol, tos uint8) {
	old := append([]byte(nil), p.Head()[:size-header.IPv6FragmentSize]...)
	p.TrimFront(size)
	h := header.IPv6(p.Prepend(len(old)))
	copy(h, old)
	h[field] = uint8(next)
	h.SetPayloadLen(uint16(len(old) - header.IPv6Size + payload))
	h.SetTrafficClass(tos)
}
