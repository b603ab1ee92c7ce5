package icmp

import "golang.org/x/sys/unix"

// The types of ICMP.
const (
	EchoReply        = 0
	Unreachable      = 3
	SourceQuench     = 4
	Redirect         = 5
	Echo             = 8
	TimeExceeded     = 11
	ParameterProblem = 12
	Timestamp        = 13
	TimestampReply   = 14
)

// The codes of Unreachable.
const (
	NetUnreachable   = 0
	HostUnreachable  = 1
	ProtoUnreachable = 2
	PortUnreachable  = 3
	FragNeeded       = 4
	SourceRouteFail  = 5
	NetProhibited    = 9
	HostProhibited   = 10
	AdminProhibited  = 13
)

// The types of ICMPv6.
const (
	Unreachable6           = 1
	PacketTooBig           = 2
	TimeExceeded6          = 3
	ParameterProblem6      = 4
	Echo6                  = 128
	EchoReply6             = 129
	ListenerQuery          = 130
	ListenerReport         = 131
	ListenerDone           = 132
	RouterSolicitation     = 133
	RouterAdvertisement    = 134
	NeighbourSolicitation  = 135
	NeighbourAdvertisement = 136
	Redirect6              = 137
	ListenerReport2        = 143
)

// The codes of Unreachable6 and ParameterProblem6.
const (
	NoRoute6         = 0
	AdminProhibited6 = 1
	BeyondScope6     = 2
	AddrUnreachable6 = 3
	PortUnreachable6 = 4
	HeaderField6     = 0
	UnknownNext6     = 1
	UnknownOption6   = 2
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
func Mean4(typ, code uint8) (Meaning, bool) {
	switch typ {
	case Unreachable:
		if code < 16 {
			return meanings[code], true
		}
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case TimeExceeded:
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case ParameterProblem:
		return Meaning{unix.EPROTO, true, false}, true
	}
	return Meaning{}, false
}

// Mean6 returns what an error of ICMPv6 means; false if it is none.
func Mean6(typ, code uint8) (Meaning, bool) {
	switch typ {
	case Unreachable6:
		switch code {
		case NoRoute6:
			return Meaning{unix.ENETUNREACH, false, false}, true
		case AdminProhibited6, 5, 6:
			return Meaning{unix.EACCES, true, false}, true
		case PortUnreachable6:
			return Meaning{unix.ECONNREFUSED, true, false}, true
		}
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case PacketTooBig:
		return Meaning{unix.EMSGSIZE, false, true}, true
	case TimeExceeded6:
		return Meaning{unix.EHOSTUNREACH, false, false}, true
	case ParameterProblem6:
		return Meaning{unix.EPROTO, true, false}, true
	}
	return Meaning{}, false
}

// IsError6 reports whether messages of the type are errors.
func IsError6(typ uint8) bool { return typ < 128 }

// IsError4 reports whether messages of the type are errors, to which no error is
// the answer.
func IsError4(typ uint8) bool {
	switch typ {
	case Unreachable, SourceQuench, Redirect, TimeExceeded, ParameterProblem:
		return true
	}
	return false
}
