package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// IPv4 is a header of IPv4 (RFC 791), possibly with what follows it.
//
//	0   version (4 bits), header length in words (4)
//	1   type of service: DSCP (6 bits), ECN (2)
//	2   total length (2)
//	4   identification (2)
//	6   reserved, don't fragment, more fragments (3 bits), offset in 8 bytes (13)
//	8   time to live (1), protocol (1)
//	10  checksum of the header (2)
//	12  source (4), destination (4)
//	20  options (0 to 40)
type IPv4 []byte

const (
	IPv4MinSize    = 20
	IPv4MaxSize    = 60
	IPv4MaxOptions = IPv4MaxSize - IPv4MinSize
	IPv4MinMTU     = 68 // the least that any link must carry
)

// IPv4Fields is what Encode writes.
type IPv4Fields struct {
	TOS            uint8
	TotalLen       uint16
	ID             uint16
	DontFragment   bool
	MoreFragments  bool
	FragmentOffset int // in bytes, a multiple of 8
	TTL            uint8
	Protocol       Protocol
	Src, Dst       netip.Addr
	Options        []byte // padded with end-of-list to a multiple of 4
}

// Valid reports whether h is a header whose lengths are right in a packet of
// size bytes: the header is all in h, the total length is in the packet.
func (h IPv4) Valid(size int) bool {
	if len(h) < IPv4MinSize || h[0]>>4 != 4 {
		return false
	}
	ihl, total := h.IHL(), int(h.TotalLen())
	return ihl >= IPv4MinSize && ihl <= len(h) && ihl <= total && total <= size
}

// IHL is the length of the header in bytes.
func (h IPv4) IHL() int { return int(h[0]&0xf) * 4 }

// TOS is the type of service: DSCP and ECN.
func (h IPv4) TOS() uint8 { return h[1] }

// TotalLen is the length of the packet in bytes, header included.
func (h IPv4) TotalLen() uint16 { return binary.BigEndian.Uint16(h[2:]) }

// ID is the identification that fragments of a packet share.
func (h IPv4) ID() uint16 { return binary.BigEndian.Uint16(h[4:]) }

// DontFragment is the flag of that name.
func (h IPv4) DontFragment() bool { return h[6]&0x40 != 0 }

// MoreFragments is the flag of that name.
func (h IPv4) MoreFragments() bool { return h[6]&0x20 != 0 }

// FragmentOffset is where the payload belongs in the whole one, in bytes.
func (h IPv4) FragmentOffset() int { return int(binary.BigEndian.Uint16(h[6:])&0x1fff) * 8 }

// IsFragment reports whether the packet is a part of one.
func (h IPv4) IsFragment() bool { return binary.BigEndian.Uint16(h[6:])&0x3fff != 0 }

// TTL is the time to live in hops.
func (h IPv4) TTL() uint8 { return h[8] }

// Protocol is what the packet carries.
func (h IPv4) Protocol() Protocol { return Protocol(h[9]) }

// Checksum is the field of that name.
func (h IPv4) Checksum() uint16 { return binary.BigEndian.Uint16(h[10:]) }

// ChecksumValid reports whether the header's checksum is right.
func (h IPv4) ChecksumValid() bool { return Checksum(h[:h.IHL()], 0) == 0xffff }

// SrcAddr is the source.
func (h IPv4) SrcAddr() netip.Addr { return addr4(h[12:16]) }

// DstAddr is the destination.
func (h IPv4) DstAddr() netip.Addr { return addr4(h[16:20]) }

// Options is the options' bytes; see IPv4Options.
func (h IPv4) Options() IPv4Options { return IPv4Options(h[IPv4MinSize:h.IHL()]) }

// Payload is what follows the header within the total length, as far as it is in h.
func (h IPv4) Payload() []byte { return h[h.IHL():min(int(h.TotalLen()), len(h))] }

// Encode writes the header with its checksum and returns its length. There must
// be room for IPv4EncodedSize of it.
func (h IPv4) Encode(f IPv4Fields) int {
	n := IPv4EncodedSize(len(f.Options))
	_ = h[n-1]
	h[0] = 4<<4 | uint8(n/4)
	h[1] = f.TOS
	binary.BigEndian.PutUint16(h[2:], f.TotalLen)
	binary.BigEndian.PutUint16(h[4:], f.ID)
	frag := uint16(f.FragmentOffset/8) & 0x1fff
	if f.DontFragment {
		frag |= 0x4000
	}
	if f.MoreFragments {
		frag |= 0x2000
	}
	binary.BigEndian.PutUint16(h[6:], frag)
	h[8], h[9] = f.TTL, uint8(f.Protocol)
	putAddr4(h[12:], f.Src)
	putAddr4(h[16:], f.Dst)
	clear(h[IPv4MinSize+copy(h[IPv4MinSize:n], f.Options) : n])
	h.UpdateChecksum()
	return n
}

// IPv4EncodedSize is the length of a header with so many bytes of options.
func IPv4EncodedSize(options int) int { return IPv4MinSize + (options+3)&^3 }

// SetTotalLen writes the total length; the checksum is not updated.
func (h IPv4) SetTotalLen(n uint16) { binary.BigEndian.PutUint16(h[2:], n) }

// SetID writes the identification; the checksum is not updated.
func (h IPv4) SetID(id uint16) { binary.BigEndian.PutUint16(h[4:], id) }

// SetFragment writes the flag and the offset in bytes, and keeps the others; the
// checksum is not updated.
func (h IPv4) SetFragment(more bool, offset int) {
	v := binary.BigEndian.Uint16(h[6:])&0xc000 | uint16(offset/8)&0x1fff
	if more {
		v |= 0x2000
	}
	binary.BigEndian.PutUint16(h[6:], v)
}

// SetTOS writes the type of service and updates the checksum.
func (h IPv4) SetTOS(tos uint8) {
	from := binary.BigEndian.Uint16(h)
	h[1] = tos
	h.putChecksum(ChecksumUpdate(h.Checksum(), from, binary.BigEndian.Uint16(h)))
}

// SetTTL writes the time to live and updates the checksum.
func (h IPv4) SetTTL(ttl uint8) {
	from := binary.BigEndian.Uint16(h[8:])
	h[8] = ttl
	h.putChecksum(ChecksumUpdate(h.Checksum(), from, binary.BigEndian.Uint16(h[8:])))
}

// SetSrcAddr writes the source and updates the checksum.
func (h IPv4) SetSrcAddr(a netip.Addr) {
	h.putChecksum(ChecksumUpdateAddr(h.Checksum(), h.SrcAddr(), a))
	putAddr4(h[12:], a)
}

// SetDstAddr writes the destination and updates the checksum.
func (h IPv4) SetDstAddr(a netip.Addr) {
	h.putChecksum(ChecksumUpdateAddr(h.Checksum(), h.DstAddr(), a))
	putAddr4(h[16:], a)
}

// UpdateChecksum computes the header's checksum and writes it.
func (h IPv4) UpdateChecksum() {
	h.putChecksum(0)
	h.putChecksum(^Checksum(h[:h.IHL()], 0))
}

func (h IPv4) putChecksum(sum uint16) { binary.BigEndian.PutUint16(h[10:], sum) }

// String prints the packet with what it carries, as far as it is in h.
func (h IPv4) String() string {
	if !h.Valid(0xffff) {
		return "IP [|ip]"
	}
	s := "IP "
	if h.TOS()&0xfc != 0 || h.IsFragment() {
		s += "(tos 0x" + strconv.FormatUint(uint64(h.TOS()), 16) + ", id " + strconv.Itoa(int(h.ID())) + ", offset " + strconv.Itoa(h.FragmentOffset())
		if h.MoreFragments() {
			s += ", flags [+]"
		}
		s += ") "
	}
	if h.FragmentOffset() != 0 {
		return s + h.SrcAddr().String() + " > " + h.DstAddr().String() + ": " + h.Protocol().String()
	}
	return s + flow(h.Protocol(), h.SrcAddr(), h.DstAddr(), h.Payload())
}
