package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// ICMPv4 is a message of ICMP (RFC 792).
//
//	0  type (1), code (1)
//	2  checksum (2)
//	4  by type: identifier and sequence number of an echo, MTU, gateway, pointer
//	8  by type: an echo's data, the packet that an error quotes
type ICMPv4 []byte

// ICMPv4Size is the length of the part that all messages have.
const ICMPv4Size = 8

// ICMPv4Type is the type of a message.
type ICMPv4Type uint8

const (
	ICMPv4EchoReply        ICMPv4Type = 0
	ICMPv4DstUnreachable   ICMPv4Type = 3
	ICMPv4SourceQuench     ICMPv4Type = 4
	ICMPv4Redirect         ICMPv4Type = 5
	ICMPv4Echo             ICMPv4Type = 8
	ICMPv4RouterAdvert     ICMPv4Type = 9
	ICMPv4RouterSolicit    ICMPv4Type = 10
	ICMPv4TimeExceeded     ICMPv4Type = 11
	ICMPv4ParamProblem     ICMPv4Type = 12
	ICMPv4Timestamp        ICMPv4Type = 13
	ICMPv4TimestampReply   ICMPv4Type = 14
	ICMPv4InfoRequest      ICMPv4Type = 15
	ICMPv4InfoReply        ICMPv4Type = 16
	ICMPv4AddressMask      ICMPv4Type = 17
	ICMPv4AddressMaskReply ICMPv4Type = 18
)

// ICMPv4Code is the code of a message; what it means depends on the type.
type ICMPv4Code uint8

const (
	ICMPv4NetUnreachable      ICMPv4Code = 0 // of DstUnreachable
	ICMPv4HostUnreachable     ICMPv4Code = 1
	ICMPv4ProtocolUnreachable ICMPv4Code = 2
	ICMPv4PortUnreachable     ICMPv4Code = 3
	ICMPv4FragmentationNeeded ICMPv4Code = 4
	ICMPv4SourceRouteFailed   ICMPv4Code = 5
	ICMPv4NetUnknown          ICMPv4Code = 6
	ICMPv4HostUnknown         ICMPv4Code = 7
	ICMPv4HostIsolated        ICMPv4Code = 8
	ICMPv4NetProhibited       ICMPv4Code = 9
	ICMPv4HostProhibited      ICMPv4Code = 10
	ICMPv4NetTOS              ICMPv4Code = 11
	ICMPv4HostTOS             ICMPv4Code = 12
	ICMPv4AdminProhibited     ICMPv4Code = 13

	ICMPv4TTLExceeded        ICMPv4Code = 0 // of TimeExceeded
	ICMPv4ReassemblyExceeded ICMPv4Code = 1

	ICMPv4RedirectNet  ICMPv4Code = 0 // of Redirect
	ICMPv4RedirectHost ICMPv4Code = 1
)

// ICMPv4Fields is what Encode writes. Of the last four at most one pair counts,
// by type.
type ICMPv4Fields struct {
	Type    ICMPv4Type
	Code    ICMPv4Code
	ID, Seq uint16     // of echo and timestamp messages
	MTU     uint16     // of FragmentationNeeded
	Gateway netip.Addr // of Redirect
	Pointer uint8      // of ParamProblem
}

// Valid reports whether the part that all messages have is there.
func (h ICMPv4) Valid() bool { return len(h) >= ICMPv4Size }

// Type is the message's type.
func (h ICMPv4) Type() ICMPv4Type { return ICMPv4Type(h[0]) }

// Code is the message's code.
func (h ICMPv4) Code() ICMPv4Code { return ICMPv4Code(h[1]) }

// Checksum is the field of that name.
func (h ICMPv4) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:]) }

// ChecksumValid reports whether the checksum of the message, which is all in h,
// is right.
func (h ICMPv4) ChecksumValid() bool { return Checksum(h, 0) == 0xffff }

// ID is the identifier of an echo.
func (h ICMPv4) ID() uint16 { return binary.BigEndian.Uint16(h[4:]) }

// Seq is the sequence number of an echo.
func (h ICMPv4) Seq() uint16 { return binary.BigEndian.Uint16(h[6:]) }

// MTU is that of the next hop, of ICMPv4FragmentationNeeded.
func (h ICMPv4) MTU() uint16 { return binary.BigEndian.Uint16(h[6:]) }

// Gateway is where a redirect points.
func (h ICMPv4) Gateway() netip.Addr { return addr4(h[4:8]) }

// Pointer is the offset of the wrong byte, of a parameter problem.
func (h ICMPv4) Pointer() uint8 { return h[4] }

// Payload is the data of an echo, or what an error quotes.
func (h ICMPv4) Payload() []byte { return h[ICMPv4Size:] }

// IsError reports whether the message quotes a packet.
func (t ICMPv4Type) IsError() bool {
	switch t {
	case ICMPv4DstUnreachable, ICMPv4SourceQuench, ICMPv4Redirect, ICMPv4TimeExceeded, ICMPv4ParamProblem:
		return true
	}
	return false
}

// Encode writes the first 8 bytes, with a checksum of zero.
func (h ICMPv4) Encode(f ICMPv4Fields) {
	_ = h[ICMPv4Size-1]
	h[0], h[1] = uint8(f.Type), uint8(f.Code)
	clear(h[2:ICMPv4Size])
	switch f.Type {
	case ICMPv4DstUnreachable:
		binary.BigEndian.PutUint16(h[6:], f.MTU)
	case ICMPv4Redirect:
		putAddr4(h[4:], f.Gateway)
	case ICMPv4ParamProblem:
		h[4] = f.Pointer
	default:
		binary.BigEndian.PutUint16(h[4:], f.ID)
		binary.BigEndian.PutUint16(h[6:], f.Seq)
	}
}

// SetChecksum writes the checksum field as it is given.
func (h ICMPv4) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(h[2:], sum) }

// SetID writes the identifier of an echo and updates the checksum.
func (h ICMPv4) SetID(id uint16) {
	h.SetChecksum(ChecksumUpdate(h.Checksum(), h.ID(), id))
	binary.BigEndian.PutUint16(h[4:], id)
}

// UpdateChecksum computes the checksum of the message, which is all in h.
func (h ICMPv4) UpdateChecksum() {
	h.SetChecksum(0)
	h.SetChecksum(^Checksum(h, 0))
}

// String prints the message.
func (h ICMPv4) String() string {
	if !h.Valid() {
		return "[|icmp]"
	}
	return "ICMP " + h.what() + ", length " + strconv.Itoa(len(h))
}

func (h ICMPv4) what() string {
	echo := func(s string) string {
		return s + ", id " + strconv.Itoa(int(h.ID())) + ", seq " + strconv.Itoa(int(h.Seq()))
	}
	switch h.Type() {
	case ICMPv4EchoReply:
		return echo("echo reply")
	case ICMPv4Echo:
		return echo("echo request")
	case ICMPv4DstUnreachable:
		return h.unreachable()
	case ICMPv4Redirect:
		return "redirect to " + h.Gateway().String()
	case ICMPv4TimeExceeded:
		if h.Code() == ICMPv4ReassemblyExceeded {
			return "ip reassembly time exceeded"
		}
		return "time exceeded in-transit"
	case ICMPv4ParamProblem:
		return "parameter problem - octet " + strconv.Itoa(int(h.Pointer()))
	case ICMPv4Timestamp:
		return echo("time stamp query")
	case ICMPv4TimestampReply:
		return echo("time stamp reply")
	}
	return "type-#" + strconv.Itoa(int(h.Type()))
}

func (h ICMPv4) unreachable() string {
	q := IPv4(h.Payload())
	if !q.Valid(0xffff) {
		return "unreachable - #" + strconv.Itoa(int(h.Code()))
	}
	switch h.Code() {
	case ICMPv4NetUnreachable:
		return "net " + q.DstAddr().String() + " unreachable"
	case ICMPv4HostUnreachable:
		return "host " + q.DstAddr().String() + " unreachable"
	case ICMPv4ProtocolUnreachable:
		return q.DstAddr().String() + " protocol " + strconv.Itoa(int(q.Protocol())) + " unreachable"
	case ICMPv4PortUnreachable:
		s := q.DstAddr().String() + " " + q.Protocol().String() + " port "
		if p := q.Payload(); len(p) >= 4 {
			s += strconv.Itoa(int(p[2])<<8|int(p[3])) + " "
		}
		return s + "unreachable"
	case ICMPv4FragmentationNeeded:
		return q.DstAddr().String() + " unreachable - need to frag (mtu " + strconv.Itoa(int(h.MTU())) + ")"
	case ICMPv4NetProhibited, ICMPv4HostProhibited, ICMPv4AdminProhibited:
		return "host " + q.DstAddr().String() + " unreachable - admin prohibited"
	}
	return q.DstAddr().String() + " unreachable - #" + strconv.Itoa(int(h.Code()))
}
