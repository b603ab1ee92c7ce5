package icmp

import (
	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Meaning is what an error says to the socket whose packet it quotes.
type Meaning struct {
	Errno unix.Errno
	// Hard: a connection ends by it. Others end only if the socket asks for errors.
	Hard bool
	// MTU: the path carries no packets as large as that one.
	MTU bool
}

// meanings is never changed: Linux's icmp_err_convert, by the code of Unreachable.
var meanings = [16]Meaning{
	{unix.ENETUNREACH, false, false}, {unix.EHOSTUNREACH, false, false}, {unix.ENOPROTOOPT, true, false},
	{unix.ECONNREFUSED, true, false}, {unix.EMSGSIZE, false, true}, {unix.EOPNOTSUPP, false, false},
	{unix.ENETUNREACH, true, false}, {unix.EHOSTDOWN, true, false}, {unix.ENONET, true, false},
	{unix.ENETUNREACH, true, false}, {unix.EHOSTUNREACH, true, false}, {unix.ENETUNREACH, false, false},
	{unix.EHOSTUNREACH, false, false}, {unix.EHOSTUNREACH, true, false}, {unix.EHOSTUNREACH, true, false},
	{unix.EHOSTUNREACH, true, false},
}

// Mean4 returns what an error of ICMP means; false if it is none.
func Mean4(typ header.ICMPv4Type, code header.ICMPv4Code) (Meaning, bool) {
	switch typ {
	case header.ICMPv4DstUnreachable:
		if code < 16 {
			return meanings[code], true
		}
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case header.ICMPv4TimeExceeded:
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case header.ICMPv4ParamProblem:
		return Meaning{unix.EPROTO, true, false}, true
	}
	return Meaning{}, false
}

// Mean6 returns what an error of ICMPv6 means; false if it is none.
func Mean6(typ header.ICMPv6Type, code header.ICMPv6Code) (Meaning, bool) {
	switch typ {
	case header.ICMPv6DstUnreachable:
		switch code {
		case header.ICMPv6NoRoute:
			return Meaning{unix.ENETUNREACH, false, false}, true
		case header.ICMPv6AdminProhibited, header.ICMPv6SourcePolicy, header.ICMPv6RejectRoute:
			return Meaning{unix.EACCES, true, false}, true
		case header.ICMPv6PortUnreachable:
			return Meaning{unix.ECONNREFUSED, true, false}, true
		}
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case header.ICMPv6PacketTooBig:
		return Meaning{unix.EMSGSIZE, false, true}, true
	case header.ICMPv6TimeExceeded:
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case header.ICMPv6ParamProblem:
		return Meaning{unix.EPROTO, true, false}, true
	}
	return Meaning{}, false
}
