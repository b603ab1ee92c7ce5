package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// ICMPv6 is a message of ICMPv6 (RFC 4443).
//
//	0  type (1), code (1)
//	2  checksum, with the pseudo header (2)
//	4  by type: identifier and sequence number of an echo, MTU, pointer, flags
//	8  by type: an echo's data, the packet that an error quotes, a target …
type ICMPv6 []byte

const (
	ICMPv6Size           = 8 // of the part that all messages have
	ICMPv6ChecksumOffset = 2 // where the checksum stands
)

// ICMPv6Type is the type of a message; those below 128 are errors.
type ICMPv6Type uint8

const (
	ICMPv6DstUnreachable  ICMPv6Type = 1
	ICMPv6PacketTooBig    ICMPv6Type = 2
	ICMPv6TimeExceeded    ICMPv6Type = 3
	ICMPv6ParamProblem    ICMPv6Type = 4
	ICMPv6EchoRequest     ICMPv6Type = 128
	ICMPv6EchoReply       ICMPv6Type = 129
	ICMPv6MLDQuery        ICMPv6Type = 130
	ICMPv6MLDReport       ICMPv6Type = 131
	ICMPv6MLDDone         ICMPv6Type = 132
	ICMPv6RouterSolicit   ICMPv6Type = 133
	ICMPv6RouterAdvert    ICMPv6Type = 134
	ICMPv6NeighborSolicit ICMPv6Type = 135
	ICMPv6NeighborAdvert  ICMPv6Type = 136
	ICMPv6Redirect        ICMPv6Type = 137
	ICMPv6MLDv2Report     ICMPv6Type = 143
)

// ICMPv6Code is the code of a message; what it means depends on the type.
type ICMPv6Code uint8

const (
	ICMPv6NoRoute            ICMPv6Code = 0 // of DstUnreachable
	ICMPv6AdminProhibited    ICMPv6Code = 1
	ICMPv6BeyondScope        ICMPv6Code = 2
	ICMPv6AddressUnreachable ICMPv6Code = 3
	ICMPv6PortUnreachable    ICMPv6Code = 4
	ICMPv6SourcePolicy       ICMPv6Code = 5
	ICMPv6RejectRoute        ICMPv6Code = 6

	ICMPv6HopLimitExceeded   ICMPv6Code = 0 // of TimeExceeded
	ICMPv6ReassemblyExceeded ICMPv6Code = 1

	ICMPv6ErroneousHeader ICMPv6Code = 0 // of ParamProblem
	ICMPv6UnknownNext     ICMPv6Code = 1
	ICMPv6UnknownOption   ICMPv6Code = 2
)

// ICMPv6Fields is what Encode writes.
type ICMPv6Fields struct {
	Type    ICMPv6Type
	Code    ICMPv6Code
	ID, Seq uint16 // of an echo
	Rest    uint32 // bytes 4 to 8 of all others: MTU, pointer, flags
}

// Valid reports whether the part that all messages have is there.
func (h ICMPv6) Valid() bool { return len(h) >= ICMPv6Size }

// Type is the message's type.
func (h ICMPv6) Type() ICMPv6Type { return ICMPv6Type(h[0]) }

// Code is the message's code.
func (h ICMPv6) Code() ICMPv6Code { return ICMPv6Code(h[1]) }

// Checksum is the field of that name.
func (h ICMPv6) Checksum() uint16 { return binary.BigEndian.Uint16(h[ICMPv6ChecksumOffset:]) }

// ChecksumValid reports whether the checksum of the message, which is all in h,
// is right.
func (h ICMPv6) ChecksumValid(src, dst netip.Addr) bool {
	return Checksum(h, PseudoHeader(ProtocolICMPv6, src, dst, len(h))) == 0xffff
}

// ID is the identifier of an echo.
func (h ICMPv6) ID() uint16 { return binary.BigEndian.Uint16(h[4:]) }

// Seq is the sequence number of an echo.
func (h ICMPv6) Seq() uint16 { return binary.BigEndian.Uint16(h[6:]) }

// MTU is that of the next hop, of a packet that was too big.
func (h ICMPv6) MTU() uint32 { return binary.BigEndian.Uint32(h[4:]) }

// Pointer is the offset of the wrong byte, of a parameter problem.
func (h ICMPv6) Pointer() uint32 { return binary.BigEndian.Uint32(h[4:]) }

// Payload is the data of an echo, or what an error quotes.
func (h ICMPv6) Payload() []byte { return h[ICMPv6Size:] }

// IsError reports whether the message quotes a packet.
func (t ICMPv6Type) IsError() bool { return t < 128 }

// Encode writes the first 8 bytes, with a checksum of zero.
func (h ICMPv6) Encode(f ICMPv6Fields) {
	_ = h[ICMPv6Size-1]
	h[0], h[1], h[2], h[3] = uint8(f.Type), uint8(f.Code), 0, 0
	if f.Type == ICMPv6EchoRequest || f.Type == ICMPv6EchoReply {
		f.Rest = uint32(f.ID)<<16 | uint32(f.Seq)
	}
	binary.BigEndian.PutUint32(h[4:], f.Rest)
}

// SetChecksum writes the checksum field as it is given.
func (h ICMPv6) SetChecksum(sum uint16) {
	binary.BigEndian.PutUint16(h[ICMPv6ChecksumOffset:], sum)
}

// SetID writes the identifier of an echo and updates the checksum.
func (h ICMPv6) SetID(id uint16) {
	h.SetChecksum(ChecksumUpdate(h.Checksum(), h.ID(), id))
	binary.BigEndian.PutUint16(h[4:], id)
}

// UpdateChecksum computes the checksum of the message, which is all in h.
func (h ICMPv6) UpdateChecksum(src, dst netip.Addr) {
	h.SetChecksum(0)
	h.SetChecksum(^Checksum(h, PseudoHeader(ProtocolICMPv6, src, dst, len(h))))
}

// String prints the message.
func (h ICMPv6) String() string {
	if !h.Valid() {
		return "[|icmp6]"
	}
	return "ICMP6, " + h.what() + ", length " + strconv.Itoa(len(h))
}

func (h ICMPv6) what() string {
	switch h.Type() {
	case ICMPv6EchoRequest, ICMPv6EchoReply:
		s := "echo request"
		if h.Type() == ICMPv6EchoReply {
			s = "echo reply"
		}
		return s + ", id " + strconv.Itoa(int(h.ID())) + ", seq " + strconv.Itoa(int(h.Seq()))
	case ICMPv6DstUnreachable:
		return h.unreachable()
	case ICMPv6PacketTooBig:
		return "packet too big, mtu " + strconv.FormatUint(uint64(h.MTU()), 10)
	case ICMPv6TimeExceeded:
		if h.Code() == ICMPv6ReassemblyExceeded {
			return "ip reassembly time exceeded"
		}
		return "time exceeded in-transit"
	case ICMPv6ParamProblem:
		return "parameter problem, code " + strconv.Itoa(int(h.Code())) + " - octet " + strconv.FormatUint(uint64(h.Pointer()), 10)
	case ICMPv6NeighborSolicit, ICMPv6NeighborAdvert:
		return NDNeighbor(h).what()
	case ICMPv6RouterSolicit:
		return "router solicitation"
	case ICMPv6RouterAdvert:
		return "router advertisement"
	case ICMPv6Redirect:
		return "redirect"
	case ICMPv6MLDQuery, ICMPv6MLDReport, ICMPv6MLDDone:
		return MLD(h).what()
	case ICMPv6MLDv2Report:
		return MLDv2Report(h).what()
	}
	return "type-#" + strconv.Itoa(int(h.Type()))
}

func (h ICMPv6) unreachable() string {
	q := IPv6(h.Payload())
	if !q.Valid(1 << 17) {
		return "destination unreachable, code " + strconv.Itoa(int(h.Code()))
	}
	dst := q.DstAddr().String()
	switch h.Code() {
	case ICMPv6NoRoute:
		return "destination unreachable, unreachable route " + dst
	case ICMPv6AdminProhibited:
		return "destination unreachable, unreachable prohibited " + dst
	case ICMPv6BeyondScope:
		return "destination unreachable, beyond scope " + dst
	case ICMPv6AddressUnreachable:
		return "destination unreachable, unreachable address " + dst
	case ICMPv6PortUnreachable:
		s := "destination unreachable, unreachable port, " + dst + " " + q.Next().String()
		if p := q.Payload(); len(p) >= 4 {
			s += " port " + strconv.Itoa(int(p[2])<<8|int(p[3]))
		}
		return s
	}
	return "destination unreachable, code " + strconv.Itoa(int(h.Code())) + " " + dst
}
