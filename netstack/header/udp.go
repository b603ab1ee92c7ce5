package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// UDP is a header of UDP (RFC 768), possibly with the payload.
//
//	0  source port (2), destination port (2)
//	4  length of header and payload (2), 0 in a jumbogram
//	6  checksum (2), 0 if there is none
type UDP []byte

const (
	UDPSize           = 8
	UDPChecksumOffset = 6 // where the checksum stands
)

// UDPFields is what Encode writes.
type UDPFields struct {
	SrcPort, DstPort uint16
	Length           uint16
}

// Valid reports whether the header is all in h and its length within a datagram
// of size bytes.
func (h UDP) Valid(size int) bool {
	if len(h) < UDPSize {
		return false
	}
	n := int(h.Length())
	return n >= UDPSize && n <= size
}

// SrcPort is the sender's port.
func (h UDP) SrcPort() uint16 { return binary.BigEndian.Uint16(h) }

// DstPort is the receiver's port.
func (h UDP) DstPort() uint16 { return binary.BigEndian.Uint16(h[2:]) }

// Length is that of header and payload.
func (h UDP) Length() uint16 { return binary.BigEndian.Uint16(h[4:]) }

// Checksum is the field of that name.
func (h UDP) Checksum() uint16 { return binary.BigEndian.Uint16(h[UDPChecksumOffset:]) }

// Payload is what follows the header within the length, as far as it is in h.
func (h UDP) Payload() []byte { return h[UDPSize:min(max(int(h.Length()), UDPSize), len(h))] }

// Encode writes the header, with a checksum of zero.
func (h UDP) Encode(f UDPFields) {
	_ = h[UDPSize-1]
	binary.BigEndian.PutUint16(h, f.SrcPort)
	binary.BigEndian.PutUint16(h[2:], f.DstPort)
	binary.BigEndian.PutUint16(h[4:], f.Length)
	binary.BigEndian.PutUint16(h[6:], 0)
}

// SetChecksum writes the checksum field as it is given. The complement of a sum
// that is zero is to be given as 0xffff: see UDPChecksum.
func (h UDP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(h[UDPChecksumOffset:], sum) }

// UDPChecksum is the field for the sum of pseudo header, header and payload.
func UDPChecksum(sum uint16) uint16 {
	if sum == 0xffff {
		return 0xffff // zero would say that there is none
	}
	return ^sum
}

// SetLength writes the length, or the coverage of UDP-Lite (RFC 3828 section 3.1).
func (h UDP) SetLength(n uint16) { binary.BigEndian.PutUint16(h[4:], n) }

// SetSrcPort writes the port and updates the checksum, if there is one.
func (h UDP) SetSrcPort(port uint16) {
	h.updateChecksum(ChecksumUpdate(h.Checksum(), h.SrcPort(), port))
	binary.BigEndian.PutUint16(h, port)
}

// SetDstPort writes the port and updates the checksum, if there is one.
func (h UDP) SetDstPort(port uint16) {
	h.updateChecksum(ChecksumUpdate(h.Checksum(), h.DstPort(), port))
	binary.BigEndian.PutUint16(h[2:], port)
}

func (h UDP) updateChecksum(sum uint16) {
	if h.Checksum() == 0 {
		return
	}
	if sum == 0 {
		sum = 0xffff
	}
	h.SetChecksum(sum)
}

// ChecksumValid reports whether the checksum of the datagram, which is all in h,
// is right, or absent, which is for IPv4 only.
func (h UDP) ChecksumValid(src, dst netip.Addr) bool {
	if h.Checksum() == 0 {
		return src.Is4()
	}
	b := h[:min(int(h.Length()), len(h))]
	return Checksum(b, PseudoHeader(ProtocolUDP, src, dst, len(b))) == 0xffff
}

// String prints the datagram; ports are printed with the addresses, by IP.
func (h UDP) String() string {
	if len(h) < UDPSize {
		return "[|udp]"
	}
	if n := int(h.Length()); n < UDPSize {
		return "UDP, bad length " + strconv.Itoa(n)
	}
	return "UDP, length " + strconv.Itoa(int(h.Length())-UDPSize)
}
