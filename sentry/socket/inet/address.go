package inet

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// The layouts of addresses, ip(7), ipv6(7), packet(7); ports and link protocols
// are in network order.
//
//	sockaddr_in    family 2  port 2  addr 4  zero 8
//	sockaddr_in6   family 2  port 2  flowinfo 4  addr 16  scope_id 4
//	sockaddr_ll    family 2  protocol 2  ifindex 4  hatype 2  pkttype 1  halen 1  addr 8
const (
	sizeofIn  = 16
	sizeofIn6 = 28
	sizeofLL  = 20
	// minIn6 is sockaddr_in6 without its scope, as RFC 2133 had it.
	minIn6 = 24
	// minLL is sockaddr_ll with an address of nothing.
	minLL = 12
)

func familyOf(b []byte) int32 { return int32(binary.LittleEndian.Uint16(b)) }

// parseBind reads the address of bind(2).
func (s *Sock) parseBind(b []byte) (stack.Address, error) {
	var none stack.Address
	switch s.Family() {
	case unix.AF_INET:
		if len(b) < sizeofIn {
			return none, unix.EINVAL
		}
		a := parseIn(b)
		switch f := familyOf(b); {
		case f == unix.AF_INET:
		case f == unix.AF_UNSPEC && a.Addr() == netip.IPv4Unspecified(): // as old programs had it
		default:
			return none, unix.EAFNOSUPPORT
		}
		return a, nil
	case unix.AF_INET6:
		if len(b) < minIn6 {
			return none, unix.EINVAL
		}
		if familyOf(b) != unix.AF_INET6 {
			return none, unix.EAFNOSUPPORT
		}
		return parseIn6(b), nil
	}
	if len(b) < sizeofLL || familyOf(b) != unix.AF_PACKET {
		return none, unix.EINVAL
	}
	return parseLL(b)
}

// parseConnect reads the address of connect(2).
func (s *Sock) parseConnect(b []byte) (stack.Address, error) {
	var none stack.Address
	if len(b) < 2 {
		return none, unix.EINVAL
	}
	f := familyOf(b)
	switch {
	case s.Family() == unix.AF_PACKET:
		return none, unix.EOPNOTSUPP
	case f == unix.AF_UNSPEC:
		return stack.Address{Unspec: true}, nil
	case s.Family() == unix.AF_INET || f == unix.AF_INET && s.typ != unix.SOCK_STREAM:
		if len(b) < sizeofIn {
			return none, unix.EINVAL
		}
		if f != unix.AF_INET {
			return none, unix.EAFNOSUPPORT
		}
		a := parseIn(b)
		if s.Family() == unix.AF_INET6 {
			a.AddrPort = netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
		}
		return a, nil
	case len(b) < minIn6:
		return none, unix.EINVAL
	case f != unix.AF_INET6:
		return none, unix.EAFNOSUPPORT
	}
	return parseIn6(b), nil
}

// parseTo reads the address that a message goes to. ok is false if it says
// nothing: the connected peer is meant.
func (s *Sock) parseTo(b []byte) (a stack.Address, ok bool, err error) {
	switch s.Family() {
	case unix.AF_INET:
		if len(b) < sizeofIn {
			return a, false, unix.EINVAL
		}
		if f := familyOf(b); f != unix.AF_INET && f != unix.AF_UNSPEC {
			return a, false, unix.EAFNOSUPPORT
		}
		return parseIn(b), true, nil
	case unix.AF_INET6:
		if len(b) < 2 {
			return a, false, unix.EINVAL
		}
		switch f := familyOf(b); {
		case f == unix.AF_UNSPEC:
			return a, false, nil
		case f == unix.AF_INET && len(b) >= sizeofIn && s.typ == unix.SOCK_DGRAM:
			a = parseIn(b)
			a.AddrPort = netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
			return a, true, nil
		case f == unix.AF_INET6 && len(b) >= minIn6:
			return parseIn6(b), true, nil
		case f == unix.AF_INET6, s.typ == unix.SOCK_DGRAM:
			return a, false, unix.EINVAL
		}
		return a, false, unix.EAFNOSUPPORT
	}
	if len(b) < minLL {
		return a, false, unix.EINVAL
	}
	a, err = parseLL(b)
	return a, true, err
}

func parseIn(b []byte) stack.Address {
	addr := netip.AddrFrom4([4]byte(b[4:8]))
	return stack.Address{AddrPort: netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[2:]))}
}

// parseIn6 reads at least minIn6 bytes.
func parseIn6(b []byte) stack.Address {
	a := stack.Address{AddrPort: netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(b[2:])),
		Flow: binary.BigEndian.Uint32(b[4:])}
	if len(b) >= sizeofIn6 {
		a.Scope = int(int32(binary.LittleEndian.Uint32(b[24:])))
	}
	return a
}

// parseLL reads at least minLL bytes.
func parseLL(b []byte) (stack.Address, error) {
	l := &stack.LinkAddress{Protocol: binary.BigEndian.Uint16(b[2:]), HWType: binary.LittleEndian.Uint16(b[8:]), Type: b[10], Len: b[11]}
	if len(b) < minLL+int(l.Len) {
		return stack.Address{}, unix.EINVAL
	}
	copy(l.Addr[:], b[12:min(len(b), sizeofLL)])
	return stack.Address{Scope: int(int32(binary.LittleEndian.Uint32(b[4:]))), Link: l}, nil
}

// appendSockaddr appends a as guests see it. own says that it is the socket's:
// getsockname(2) of a packet socket tells no type of packet.
func (s *Sock) appendSockaddr(b []byte, a *stack.Address, own bool) []byte {
	switch s.Family() {
	case unix.AF_INET:
		return appendIn(b, a.AddrPort)
	case unix.AF_INET6:
		return appendIn6(b, a)
	}
	l := a.Link
	if l == nil {
		l = &stack.LinkAddress{}
	}
	b = binary.LittleEndian.AppendUint16(b, unix.AF_PACKET)
	b = binary.BigEndian.AppendUint16(b, l.Protocol)
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(a.Scope)))
	b = binary.LittleEndian.AppendUint16(b, l.HWType)
	b = append(b, l.Type, l.Len)
	b = append(b, l.Addr[:]...)
	if own {
		return b[:len(b)-len(l.Addr)+int(min(l.Len, 6))]
	}
	return append(b, 0, 0)
}

func appendIn(b []byte, a netip.AddrPort) []byte {
	b = binary.LittleEndian.AppendUint16(b, unix.AF_INET)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	b = append4(b, a.Addr())
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func appendIn6(b []byte, a *stack.Address) []byte {
	b = binary.LittleEndian.AppendUint16(b, unix.AF_INET6)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	b = binary.BigEndian.AppendUint32(b, a.Flow)
	b = append16(b, a.Addr())
	return binary.LittleEndian.AppendUint32(b, uint32(int32(a.Scope)))
}

// append4 appends an address of IPv4, zeros for any other.
func append4(b []byte, a netip.Addr) []byte {
	a = a.Unmap()
	if !a.Is4() {
		return append(b, 0, 0, 0, 0)
	}
	x := a.As4()
	return append(b, x[:]...)
}

// append16 appends an address of IPv6, one of IPv4 mapped into it.
func append16(b []byte, a netip.Addr) []byte {
	var x [16]byte
	if a.IsValid() {
		x = a.As16()
	}
	return append(b, x[:]...)
}
