package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// TCP is a header of TCP (RFC 9293), possibly with the payload.
//
//	0   source port (2), destination port (2)
//	4   sequence number (4)
//	8   acknowledgment number (4)
//	12  data offset in words (4 bits), reserved (3), flags (9)
//	14  window (2)
//	16  checksum (2), urgent pointer (2)
//	20  options (0 to 40)
type TCP []byte

const (
	TCPMinSize        = 20
	TCPMaxSize        = 60
	TCPMaxOptions     = TCPMaxSize - TCPMinSize
	TCPChecksumOffset = 16 // where the checksum stands
)

// TCPFlags are the bits after the data offset.
type TCPFlags uint16

const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE // accurate ECN; once the nonce sum
)

// String is the flags as tcpdump abbreviates them, a dot for ACK.
func (f TCPFlags) String() string {
	if f&0x1ff == 0 {
		return "none"
	}
	var s strings.Builder
	for i, c := range []byte("FSRP.UEWe") {
		if f>>i&1 != 0 {
			s.WriteByte(c)
		}
	}
	return s.String()
}

// TCPFields is what Encode writes.
type TCPFields struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            TCPFlags
	Window           uint16
	Urgent           uint16
	DataOffset       int // length of header and options in bytes; 0 is TCPMinSize
}

// Valid reports whether h is a header whose lengths are right in a segment of
// size bytes: header and options are all in h.
func (h TCP) Valid(size int) bool {
	if len(h) < TCPMinSize {
		return false
	}
	n := h.DataOffset()
	return n >= TCPMinSize && n <= len(h) && n <= size
}

// SrcPort is the sender's port.
func (h TCP) SrcPort() uint16 { return binary.BigEndian.Uint16(h) }

// DstPort is the receiver's port.
func (h TCP) DstPort() uint16 { return binary.BigEndian.Uint16(h[2:]) }

// Seq is the sequence number of the first byte.
func (h TCP) Seq() uint32 { return binary.BigEndian.Uint32(h[4:]) }

// Ack is the sequence number that is expected next.
func (h TCP) Ack() uint32 { return binary.BigEndian.Uint32(h[8:]) }

// DataOffset is the length of header and options in bytes.
func (h TCP) DataOffset() int { return int(h[12]>>4) * 4 }

// Flags are the control bits.
func (h TCP) Flags() TCPFlags { return TCPFlags(binary.BigEndian.Uint16(h[12:]) & 0x1ff) }

// Window is the receive window, not scaled.
func (h TCP) Window() uint16 { return binary.BigEndian.Uint16(h[14:]) }

// Checksum is the field of that name.
func (h TCP) Checksum() uint16 { return binary.BigEndian.Uint16(h[TCPChecksumOffset:]) }

// Urgent is the urgent pointer.
func (h TCP) Urgent() uint16 { return binary.BigEndian.Uint16(h[18:]) }

// Options is the options' bytes, for ParseTCPOptions.
func (h TCP) Options() []byte { return h[TCPMinSize:h.DataOffset()] }

// Payload is what follows the options.
func (h TCP) Payload() []byte { return h[h.DataOffset():] }

// Encode writes the header but for options, and a checksum of zero.
func (h TCP) Encode(f TCPFields) {
	_ = h[TCPMinSize-1]
	if f.DataOffset == 0 {
		f.DataOffset = TCPMinSize
	}
	binary.BigEndian.PutUint16(h, f.SrcPort)
	binary.BigEndian.PutUint16(h[2:], f.DstPort)
	binary.BigEndian.PutUint32(h[4:], f.Seq)
	binary.BigEndian.PutUint32(h[8:], f.Ack)
	binary.BigEndian.PutUint16(h[12:], uint16(f.DataOffset/4)<<12|uint16(f.Flags)&0x1ff)
	binary.BigEndian.PutUint16(h[14:], f.Window)
	binary.BigEndian.PutUint16(h[16:], 0)
	binary.BigEndian.PutUint16(h[18:], f.Urgent)
}

// SetChecksum writes the checksum field as it is given: the complement of the
// sum, or the sum of the pseudo header if the link computes the rest.
func (h TCP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(h[TCPChecksumOffset:], sum) }

// SetSrcPort writes the port and updates the checksum.
func (h TCP) SetSrcPort(port uint16) {
	h.SetChecksum(ChecksumUpdate(h.Checksum(), h.SrcPort(), port))
	binary.BigEndian.PutUint16(h, port)
}

// SetDstPort writes the port and updates the checksum.
func (h TCP) SetDstPort(port uint16) {
	h.SetChecksum(ChecksumUpdate(h.Checksum(), h.DstPort(), port))
	binary.BigEndian.PutUint16(h[2:], port)
}

// ChecksumValid reports whether the checksum of the segment, which is all in h,
// is right.
func (h TCP) ChecksumValid(src, dst netip.Addr) bool {
	return Checksum(h, PseudoHeader(ProtocolTCP, src, dst, len(h))) == 0xffff
}

// String prints the segment; ports are printed with the addresses, by IP.
func (h TCP) String() string {
	if !h.Valid(len(h)) {
		return "[|tcp]"
	}
	f := h.Flags()
	n := len(h) - h.DataOffset()
	s := "Flags [" + f.String() + "]"
	if n > 0 || f&(SYN|FIN|RST) != 0 {
		s += ", seq " + strconv.FormatUint(uint64(h.Seq()), 10)
		if n > 0 {
			s += ":" + strconv.FormatUint(uint64(h.Seq()+uint32(n)), 10)
		}
	}
	if f&ACK != 0 {
		s += ", ack " + strconv.FormatUint(uint64(h.Ack()), 10)
	}
	s += ", win " + strconv.Itoa(int(h.Window()))
	if f&URG != 0 {
		s += ", urg " + strconv.Itoa(int(h.Urgent()))
	}
	if opts := h.Options(); len(opts) > 0 {
		s += ", options [" + tcpOptionsString(opts) + "]"
	}
	return s + ", length " + strconv.Itoa(n)
}
