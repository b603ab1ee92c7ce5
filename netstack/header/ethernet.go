package header

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
)

// Ethernet is an Ethernet II header.
//
//	0   destination (6)
//	6   source (6)
//	12  type (2)
type Ethernet []byte

// EthernetSize is the length of the header in bytes.
const EthernetSize = 14

// EthernetFields is what Encode writes.
type EthernetFields struct {
	Src, Dst [6]byte
	Type     EtherType
}

// Valid reports whether the header is all there.
func (h Ethernet) Valid() bool { return len(h) >= EthernetSize }

// Dst is the destination's hardware address.
func (h Ethernet) Dst() [6]byte { return [6]byte(h[0:6]) }

// Src is the source's hardware address.
func (h Ethernet) Src() [6]byte { return [6]byte(h[6:12]) }

// Type is what the frame carries.
func (h Ethernet) Type() EtherType { return EtherType(binary.BigEndian.Uint16(h[12:])) }

// Payload is what follows the header.
func (h Ethernet) Payload() []byte { return h[EthernetSize:] }

// Encode writes the header.
func (h Ethernet) Encode(f EthernetFields) {
	_ = h[EthernetSize-1]
	copy(h[0:6], f.Dst[:])
	copy(h[6:12], f.Src[:])
	binary.BigEndian.PutUint16(h[12:], uint16(f.Type))
}

// String prints the header.
func (h Ethernet) String() string {
	if !h.Valid() {
		return "[|ether]"
	}
	src, dst := h.Src(), h.Dst()
	return hwString(src) + " > " + hwString(dst) + ", " + h.Type().String() + ", length " + strconv.Itoa(len(h))
}

func hwString(a [6]byte) string { return net.HardwareAddr(a[:]).String() }

// EthernetIsMulticast reports whether a is the address of a group, broadcast
// included.
func EthernetIsMulticast(a [6]byte) bool { return a[0]&1 != 0 }

// EthernetMulticast is the hardware address of a multicast group (RFC 1112
// section 6.4, RFC 2464 section 7).
func EthernetMulticast(group netip.Addr) [6]byte {
	if group.Is4() {
		b := group.As4()
		return [6]byte{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	b := group.As16()
	return [6]byte{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// VLAN is the tag that follows the type of an Ethernet header.
//
//	0  priority (3 bits), drop eligible (1), VLAN (12)
//	2  type (2)
type VLAN []byte

// VLANSize is the length of the tag in bytes.
const VLANSize = 4

// VLANFields is what Encode writes.
type VLANFields struct {
	Priority     uint8
	DropEligible bool
	ID           uint16
	Type         EtherType
}

// Valid reports whether the tag is all there.
func (h VLAN) Valid() bool { return len(h) >= VLANSize }

// Priority is the priority code point, 0 to 7.
func (h VLAN) Priority() uint8 { return h[0] >> 5 }

// DropEligible is the bit of that name.
func (h VLAN) DropEligible() bool { return h[0]&0x10 != 0 }

// ID is the number of the VLAN, 0 to 4095.
func (h VLAN) ID() uint16 { return binary.BigEndian.Uint16(h) & 0x0fff }

// Type is what the frame carries.
func (h VLAN) Type() EtherType { return EtherType(binary.BigEndian.Uint16(h[2:])) }

// Encode writes the tag.
func (h VLAN) Encode(f VLANFields) {
	_ = h[VLANSize-1]
	tci := uint16(f.Priority&7)<<13 | f.ID&0x0fff
	if f.DropEligible {
		tci |= 0x1000
	}
	binary.BigEndian.PutUint16(h, tci)
	binary.BigEndian.PutUint16(h[2:], uint16(f.Type))
}

// String prints the tag.
func (h VLAN) String() string {
	if !h.Valid() {
		return "[|vlan]"
	}
	s := "vlan " + strconv.Itoa(int(h.ID())) + ", p " + strconv.Itoa(int(h.Priority()))
	if h.DropEligible() {
		s += ", DEI"
	}
	return s + ", " + h.Type().String()
}
