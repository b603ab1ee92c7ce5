package sockdiag

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// The filter that ss sends is a program of struct inet_diag_bc_op:
//
//	0  what is asked (1)
//	1  how far to go if it is true (1)
//	2  how far if it is not (2)
//
// It only goes forward, in steps of 4 bytes; a socket is shown if it comes out
// exactly at the end. A question about a port has the port in the second op's
// last field, one about an address a struct inet_diag_hostcond behind it.
const (
	bcNop = iota
	bcJmp
	bcSGE
	bcSLE
	bcDGE
	bcDLE
	bcAuto
	bcSCond
	bcDCond
	bcDevCond
	bcMarkCond
	bcSEq
	bcDEq
	bcCgroupCond

	bcOpSize   = 4
	bcHostSize = 8 // struct inet_diag_hostcond without the address
	bcMaxOps   = 1 << 16
)

// bcSize is the least size of an op with what belongs to it; 0 of one that is
// not known. rest is the program from the op on.
func bcSize(rest []byte) int {
	switch rest[0] {
	case bcNop, bcJmp, bcAuto:
		return bcOpSize
	case bcSGE, bcSLE, bcDGE, bcDLE, bcSEq, bcDEq, bcDevCond:
		return 2 * bcOpSize
	case bcMarkCond:
		return 3 * bcOpSize
	case bcSCond, bcDCond:
		if len(rest) < bcOpSize+bcHostSize {
			return bcOpSize + bcHostSize
		}
		n := 0
		switch rest[bcOpSize] {
		case unix.AF_INET:
			n = 4
		case unix.AF_INET6:
			n = 16
		case unix.AF_UNSPEC:
		default:
			return 0
		}
		if int(rest[bcOpSize+1]) > n*8 {
			return 0
		}
		return bcOpSize + bcHostSize + n
	}
	return 0
}

// auditCode reports whether a program is one: every op is known and whole, and
// every jump goes forward to an op or just behind the end.
func auditCode(code []byte) bool {
	if len(code)%bcOpSize != 0 || len(code) > bcMaxOps {
		return false
	}
	starts := map[int]bool{len(code): true}
	for at := 0; at < len(code); {
		starts[at] = true
		yes, size := int(code[at+1]), bcSize(code[at:])
		if size == 0 || yes < size || yes%bcOpSize != 0 || yes > len(code)-at+bcOpSize {
			return false
		}
		if at+size > len(code) {
			return false
		}
		at += yes
	}
	for at := 0; at < len(code); at += int(code[at+1]) {
		if op := code[at]; op == bcNop || op == bcAuto {
			continue
		}
		no := int(binary.NativeEndian.Uint16(code[at+2:]))
		if no < bcOpSize || no%bcOpSize != 0 || no > len(code)-at+bcOpSize || no <= len(code)-at && !starts[at+no] {
			return false
		}
	}
	return true
}

// runCode runs a program that was audited.
func runCode(code []byte, i *stack.SocketInfo) bool {
	at := 0
	for at < len(code) {
		step := int(code[at+1])
		if !bcAsk(code[at:], i) {
			step = int(binary.NativeEndian.Uint16(code[at+2:]))
		}
		at += step
	}
	return at == len(code)
}

// bcAsk answers one question.
func bcAsk(op []byte, i *stack.SocketInfo) bool {
	ne := binary.NativeEndian
	port := func() uint16 { return ne.Uint16(op[bcOpSize+2:]) }
	switch op[0] {
	case bcJmp:
		return false
	case bcSGE:
		return i.Local.Port() >= port()
	case bcSLE:
		return i.Local.Port() <= port()
	case bcSEq:
		return i.Local.Port() == port()
	case bcDGE:
		return i.Remote.Port() >= port()
	case bcDLE:
		return i.Remote.Port() <= port()
	case bcDEq:
		return i.Remote.Port() == port()
	case bcSCond:
		return bcHost(op[bcOpSize:], i.Local.AddrPort, i.Family)
	case bcDCond:
		return bcHost(op[bcOpSize:], i.Remote.AddrPort, i.Family)
	case bcDevCond:
		return ne.Uint32(op[bcOpSize:]) == uint32(i.Device)
	case bcMarkCond:
		return i.Mark&ne.Uint32(op[bcOpSize+4:]) == ne.Uint32(op[bcOpSize:])
	}
	return true // bcNop; bcAuto: hull's sockets do not know that their port was chosen for them
}

// bcHost compares an address with struct inet_diag_hostcond: family, length of
// the prefix, port (or -1), address.
func bcHost(cond []byte, a netip.AddrPort, family int) bool {
	if port := int32(binary.NativeEndian.Uint32(cond[4:])); port != -1 && port != int32(a.Port()) {
		return false
	}
	addr := a.Addr()
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
		if family == unix.AF_INET6 {
			addr = netip.IPv6Unspecified()
		}
	}
	bits := int(cond[1])
	switch cond[0] {
	case unix.AF_UNSPEC:
		return true
	case unix.AF_INET:
		// An address of IPv4 in IPv6's form is one too.
		if addr = addr.Unmap(); !addr.Is4() {
			return false
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(cond[8:12])), bits).Masked().Contains(addr)
	}
	return addr.Is6() && bits == 0 || netip.PrefixFrom(netip.AddrFrom16([16]byte(cond[8:24])), bits).Masked().Contains(addr)
}
