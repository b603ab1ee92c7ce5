// Package udp is UDP without sockets: what is checked of a datagram that arrives,
// the header of one that is sent, and a datagram that is put together by several
// writes.
package udp

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// MaxSegments bounds the datagrams of one send with UDP_SEGMENT.
const MaxSegments = 128

// MaxPayload returns the largest payload of a datagram.
func MaxPayload(v6 bool) int {
	if v6 {
		return 65535 - header.UDPSize
	}
	return 65535 - header.UDPSize - header.IPv4MinSize
}

// Verdict is what is wrong with a datagram.
type Verdict uint8

// The verdicts of Check.
const (
	Good Verdict = iota
	Malformed
	BadChecksum
)

// Check validates a packet that begins with its UDP header and cuts it to the
// length that this says. sum reports the sum over the packet, the pseudo header
// included; it is asked only if the checksum is to be verified.
func Check(p *buffer.Packet, v6 bool, sum func() uint16) (header.UDP, Verdict) {
	if !p.Pull(header.UDPSize) {
		return nil, Malformed
	}
	h := header.UDP(p.Head())
	n := int(h.Length())
	if p.GSO.Size != 0 || n == 0 && v6 {
		n = p.Len() // merged, or a jumbogram
	}
	if n < header.UDPSize || n > p.Len() {
		return nil, Malformed
	}
	if n < p.Len() {
		p.Truncate(n)
	}
	if p.Checksum == buffer.ChecksumUnknown {
		switch {
		case h.Checksum() == 0 && v6:
			return nil, BadChecksum
		case h.Checksum() != 0 && sum() != 0xffff:
			return nil, BadChecksum
		}
	}
	return h, Good
}

// CheckLite is Check of UDP-Lite, RFC 3828 section 3.1: the header says how much of
// the packet, which is the datagram, the checksum covers, and there must be one. sum
// reports the sum over so many bytes, the pseudo header included.
func CheckLite(p *buffer.Packet, sum func(n int) uint16) (header.UDP, Verdict) {
	if !p.Pull(header.UDPSize) {
		return nil, Malformed
	}
	h := header.UDP(p.Head())
	n := int(h.Length())
	switch {
	case n > p.Len():
		return nil, Malformed
	case h.Checksum() == 0, n != 0 && n < header.UDPSize:
		return h, BadChecksum
	case n == 0:
		n = p.Len()
	}
	if p.Checksum == buffer.ChecksumUnknown && sum(n) != 0xffff {
		return h, BadChecksum
	}
	return h, Good
}

// Prepend puts the header before a packet's payload. The checksum is left at 0.
func Prepend(p *buffer.Packet, src, dst uint16) {
	n := p.Len() + header.UDPSize
	header.UDP(p.Prepend(header.UDPSize)).Encode(header.UDPFields{SrcPort: src, DstPort: dst, Length: uint16(min(n, 65535))})
}

// Cork is a datagram that is being put together: UDP_CORK and MSG_MORE.
type Cork struct {
	Active bool
	To     netip.AddrPort
	views  []buffer.View
	size   int
}

// Add appends to the datagram: EMSGSIZE if it becomes too large, and then the
// views are released and the datagram stays as it is.
func (c *Cork) Add(vs []buffer.View, most int) error {
	n := 0
	for _, v := range vs {
		n += v.Len()
	}
	if c.size+n > most {
		for _, v := range vs {
			v.Release()
		}
		return unix.EMSGSIZE
	}
	for _, v := range vs {
		// Many small pieces do not hold a chunk each.
		if i := len(c.views) - 1; i >= 0 {
			if longer, ok := c.views[i].Extend(v.Bytes()); ok {
				c.views[i] = longer
				v.Release()
				continue
			}
		}
		c.views = append(c.views, v)
	}
	c.size += n
	return nil
}

// Take ends the datagram and returns what is in it.
func (c *Cork) Take() []buffer.View {
	vs := c.views
	*c = Cork{}
	return vs
}

// Drop gives the datagram up.
func (c *Cork) Drop() {
	for _, v := range c.Take() {
		v.Release()
	}
}

// Cut cuts views into payloads of size bytes each, the last one possibly less,
// and releases them.
func Cut(vs []buffer.View, size int) [][]buffer.View {
	var out [][]buffer.View
	var cur []buffer.View
	room := size
	for _, v := range vs {
		for off := 0; off < v.Len(); {
			n := min(room, v.Len()-off)
			cur = append(cur, v.Sub(off, off+n))
			off += n
			if room -= n; room == 0 {
				out = append(out, cur)
				cur, room = nil, size
			}
		}
		v.Release()
	}
	if cur != nil {
		out = append(out, cur)
	}
	return out
}
