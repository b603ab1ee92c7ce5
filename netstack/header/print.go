package header

import (
	"net/netip"
	"strconv"
)

// Frame prints an Ethernet frame's network layer in a line, as tcpdump does
// without -e.
func Frame(b []byte) string {
	e := Ethernet(b)
	if !e.Valid() {
		return "[|ether]"
	}
	t, rest := e.Type(), e.Payload()
	s := ""
	for range 2 {
		v := VLAN(rest)
		if t != EtherTypeVLAN && t != EtherTypeQinQ || !v.Valid() {
			break
		}
		s += "vlan " + strconv.Itoa(int(v.ID())) + ", "
		t, rest = v.Type(), rest[VLANSize:]
	}
	switch t {
	case EtherTypeIPv4, EtherTypeIPv6:
		return s + Packet(rest)
	case EtherTypeARP:
		return s + ARP(rest).String()
	}
	return s + e.String()
}

// Packet prints a packet of either IP in a line.
func Packet(b []byte) string {
	switch {
	case len(b) == 0:
		return "[|ip]"
	case b[0]>>4 == 4:
		return IPv4(b).String()
	case b[0]>>4 == 6:
		return IPv6(b).String()
	}
	return "IP" + strconv.Itoa(int(b[0]>>4))
}

// flow prints addresses, with ports if the protocol has them, and the transport's
// header.
func flow(p Protocol, src, dst netip.Addr, b []byte) string {
	from, to := src.String(), dst.String()
	if (p == ProtocolTCP || p == ProtocolUDP) && len(b) >= 4 {
		from += "." + strconv.Itoa(int(b[0])<<8|int(b[1]))
		to += "." + strconv.Itoa(int(b[2])<<8|int(b[3]))
	}
	s := from + " > " + to + ": "
	switch p {
	case ProtocolTCP:
		return s + TCP(b).String()
	case ProtocolUDP:
		return s + UDP(b).String()
	case ProtocolICMP:
		return s + ICMPv4(b).String()
	case ProtocolICMPv6:
		return s + ICMPv6(b).String()
	case ProtocolIGMP:
		return s + IGMP(b).String()
	}
	return s + p.String() + ", length " + strconv.Itoa(len(b))
}
