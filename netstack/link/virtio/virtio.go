// Package virtio has the header that goes before a frame where somebody else
// fills in checksums and cuts segments: that of virtio-net (virtio 1.2, section
// 5.1.6, the 10 bytes of a legacy device), which AF_PACKET sockets and TUN devices
// have too.
//
// It knows what a TCP header's length is and nothing else of the frames, and no
// descriptor.
package virtio

import (
	"encoding/binary"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// HeaderSize is the length of the header in bytes.
//
//	0  flags (1)
//	1  kind of segmentation (1)
//	2  length of all headers (2)
//	4  payload bytes of each segment (2)
//	6  where the checksum's sum starts (2)
//	8  where it goes, from there (2)
//
// Numbers are in the order of the machine, which is little-endian.
const HeaderSize = 10

// The flags (VIRTIO_NET_HDR_F_*).
const (
	NeedsChecksum = 1
	DataValid     = 2
)

// The kinds of segmentation (VIRTIO_NET_HDR_GSO_*).
const (
	gsoNone  = 0
	GSOTCP4  = 1
	GSOTCP6  = 4
	GSOUDP   = 5
	gsoECN   = 0x80 // a bit: the segment carries CWR
	gsoKinds = gsoECN - 1
)

// HeadLen is how many bytes of the frame h says are headers.
func HeadLen(h []byte) int { return int(binary.LittleEndian.Uint16(h[2:])) }

// SetHeadLen changes it.
func SetHeadLen(h []byte, n int) { binary.LittleEndian.PutUint16(h[2:], uint16(n)) }

// Sum is whether a checksum is to be filled in, from where on it counts, and where
// it ends.
func Sum(h []byte) (start, end int, needed bool) {
	start = int(binary.LittleEndian.Uint16(h[6:]))
	return start, start + int(binary.LittleEndian.Uint16(h[8:])) + 2, h[0]&NeedsChecksum != 0
}

// Encode writes the header for p, all of whose protocols' headers are in its head.
func Encode(h []byte, p *buffer.Packet) {
	_ = h[HeaderSize-1]
	clear(h[:HeaderSize])
	if p.Checksum == buffer.ChecksumPartial {
		h[0] = NeedsChecksum
		binary.LittleEndian.PutUint16(h[6:], p.ChecksumStart)
		binary.LittleEndian.PutUint16(h[8:], p.ChecksumOffset)
	}
	if p.GSO.Size == 0 || p.Checksum != buffer.ChecksumPartial {
		return // what is cut has its checksums filled in
	}
	head, start := p.Head(), int(p.ChecksumStart)
	size := header.UDPSize
	switch p.GSO.Type {
	case buffer.GSOTCP4:
		h[1] = GSOTCP4
	case buffer.GSOTCP6:
		h[1] = GSOTCP6
	case buffer.GSOUDP:
		h[1] = GSOUDP
	default:
		return
	}
	if h[1] != GSOUDP && len(head) >= start+header.TCPMinSize {
		tcp := header.TCP(head[start:])
		size = tcp.DataOffset()
		if tcp.Flags()&header.CWR != 0 {
			h[1] |= gsoECN
		}
	}
	binary.LittleEndian.PutUint16(h[2:], uint16(start+size))
	binary.LittleEndian.PutUint16(h[4:], p.GSO.Size)
}

// Decode takes over what the header says of p. It reports whether that can be.
func Decode(h []byte, p *buffer.Packet) bool {
	_ = h[HeaderSize-1]
	switch {
	case h[0]&NeedsChecksum != 0:
		start, off := binary.LittleEndian.Uint16(h[6:]), binary.LittleEndian.Uint16(h[8:])
		if int(start)+int(off)+2 > len(p.Head()) {
			return false
		}
		p.Checksum, p.ChecksumStart, p.ChecksumOffset = buffer.ChecksumPartial, start, off
	case h[0]&DataValid != 0:
		p.Checksum = buffer.ChecksumValid
	}
	switch h[1] & gsoKinds {
	case gsoNone:
		return true
	case GSOTCP4:
		p.GSO.Type = buffer.GSOTCP4
	case GSOTCP6:
		p.GSO.Type = buffer.GSOTCP6
	case GSOUDP:
		p.GSO.Type = buffer.GSOUDP
	default:
		return false
	}
	p.GSO.Size = binary.LittleEndian.Uint16(h[4:])
	return p.GSO.Size > 0
}
