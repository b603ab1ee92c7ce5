package ipv4

import (
	"hull/netstack/buffer"
	"hull/netstack/header"
)

// Fragment cuts a packet, which starts with its header, into packets of at most
// mtu bytes, and appends them to out. It takes p over. The transport's checksum
// must be complete.
func Fragment(out []*buffer.Packet, p *buffer.Packet, mtu int) []*buffer.Packet {
	first := append([]byte(nil), p.Head()[:header.IPv4(p.Head()).IHL()]...)
	h := header.IPv4(first)
	base, last := h.FragmentOffset(), !h.MoreFragments()
	total := p.Len() - len(first)
	rest := first
	if copied := h.Options().AppendCopied(nil); len(copied) != len(h.Options()) {
		rest = append(append([]byte(nil), first[:header.IPv4MinSize]...), copied...)
		rest[0] = 4<<4 | uint8(len(rest)/4)
	}
	for off := 0; off < total; {
		head := first
		if off > 0 {
			head = rest
		}
		n := min(total-off, (mtu-len(head))&^7)
		if n <= 0 {
			break
		}
		f := p.Pool().NewPacket(p.Range(len(first)+off, len(first)+off+n)...)
		fh := header.IPv4(f.Prepend(len(head)))
		copy(fh, head)
		fh.SetTotalLen(uint16(len(head) + n))
		fh.SetFragment(!last || off+n < total, base+off)
		fh.UpdateChecksum()
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

// Join makes the header of a datagram that was put together say so: its length
// and that it is no fragment.
func Join(p *buffer.Packet, headerLen, payload int, tos uint8) {
	old := append([]byte(nil), p.Head()[:headerLen]...)
	p.TrimFront(headerLen)
	h := header.IPv4(p.Prepend(headerLen))
	copy(h, old)
	h[1] = tos
	h.SetTotalLen(uint16(headerLen + payload))
	h.SetFragment(false, 0)
	h.UpdateChecksum()
}
