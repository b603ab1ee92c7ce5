package header

import (
	"net/netip"
	"strconv"
)

// Protocol is the number of a protocol above IP, or of an extension header of
// IPv6.
type Protocol uint8

const (
	ProtocolHopByHop Protocol = 0
	ProtocolICMP     Protocol = 1
	ProtocolIGMP     Protocol = 2
	ProtocolIPIP     Protocol = 4
	ProtocolTCP      Protocol = 6
	ProtocolUDP      Protocol = 17
	ProtocolIPv6     Protocol = 41
	ProtocolRouting  Protocol = 43
	ProtocolFragment Protocol = 44
	ProtocolGRE      Protocol = 47
	ProtocolESP      Protocol = 50
	ProtocolAH       Protocol = 51
	ProtocolICMPv6   Protocol = 58
	ProtocolNoNext   Protocol = 59
	ProtocolDestOpts Protocol = 60
	ProtocolSCTP     Protocol = 132
	ProtocolMobility Protocol = 135
	ProtocolUDPLite  Protocol = 136
	ProtocolRaw      Protocol = 255
)

// String is the protocol's name as tcpdump prints it, or its number.
func (p Protocol) String() string {
	switch p {
	case ProtocolHopByHop:
		return "HBH"
	case ProtocolICMP:
		return "ICMP"
	case ProtocolIGMP:
		return "IGMP"
	case ProtocolIPIP:
		return "IPIP"
	case ProtocolTCP:
		return "TCP"
	case ProtocolUDP:
		return "UDP"
	case ProtocolIPv6:
		return "IPv6"
	case ProtocolRouting:
		return "routing"
	case ProtocolFragment:
		return "frag"
	case ProtocolGRE:
		return "GRE"
	case ProtocolESP:
		return "ESP"
	case ProtocolAH:
		return "AH"
	case ProtocolICMPv6:
		return "ICMPv6"
	case ProtocolNoNext:
		return "no next header"
	case ProtocolDestOpts:
		return "DSTOPT"
	case ProtocolSCTP:
		return "SCTP"
	case ProtocolUDPLite:
		return "UDPLITE"
	}
	return "proto " + strconv.Itoa(int(p))
}

// EtherType is what an Ethernet frame carries.
type EtherType uint16

const (
	EtherTypeIPv4     EtherType = 0x0800
	EtherTypeARP      EtherType = 0x0806
	EtherTypeVLAN     EtherType = 0x8100
	EtherTypeIPv6     EtherType = 0x86dd
	EtherTypeQinQ     EtherType = 0x88a8
	EtherTypeLoopback EtherType = 0x9000

	// EtherTypeMin is the smallest type; less is a length of IEEE 802.3.
	EtherTypeMin EtherType = 0x0600
)

// String is the type's name as tcpdump prints it, or its number.
func (t EtherType) String() string {
	switch t {
	case EtherTypeIPv4:
		return "IPv4"
	case EtherTypeARP:
		return "ARP"
	case EtherTypeVLAN:
		return "802.1Q"
	case EtherTypeIPv6:
		return "IPv6"
	case EtherTypeQinQ:
		return "802.1Q-QinQ"
	case EtherTypeLoopback:
		return "Loopback"
	}
	return "ethertype 0x" + hex4(uint16(t))
}

// hex4 is v in four hexadecimal digits.
func hex4(v uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

// addr4 reads an address of IPv4 from the first 4 bytes of b.
func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// addr6 reads an address of IPv6 from the first 16 bytes of b.
func addr6(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }

// putAddr4 writes a into the first 4 bytes of b; the zero Addr is 0.0.0.0.
func putAddr4(b []byte, a netip.Addr) {
	var v [4]byte
	if a.Is4() || a.Is4In6() {
		v = a.As4()
	}
	copy(b[:4], v[:])
}

// putAddr6 writes a into the first 16 bytes of b; the zero Addr is ::.
func putAddr6(b []byte, a netip.Addr) {
	var v [16]byte
	if a.IsValid() {
		v = a.As16()
	}
	copy(b[:16], v[:])
}
