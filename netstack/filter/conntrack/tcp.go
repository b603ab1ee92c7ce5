package conntrack

import "hull/netstack/header"

// TCPState is the state of a connection of TCP, as the tracker sees it: the
// numbers of enum tcp_conntrack.
type TCPState uint8

// The states.
const (
	TCPNone TCPState = iota
	TCPSynSent
	TCPSynRecv
	TCPEstablished
	TCPFinWait
	TCPCloseWait
	TCPLastAck
	TCPTimeWait
	TCPClose
	TCPSynSent2 // both sent a SYN
	tcpStates
)

// String is the name that conntrack(8) shows.
func (s TCPState) String() string {
	names := [tcpStates]string{
		"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
	}
	if s < tcpStates {
		return names[s]
	}
	return "UNKNOWN"
}

// begins reports whether a segment can be the first one that is seen of a
// connection. loose takes one from the middle.
func begins(f header.TCPFlags, loose bool) (TCPState, bool) {
	switch {
	case f&header.RST != 0:
		return 0, false
	case f&header.SYN != 0 && f&header.ACK == 0:
		return TCPSynSent, true
	case f&header.SYN != 0:
		return 0, false
	case !loose || f&header.ACK == 0:
		return 0, false
	case f&header.FIN != 0:
		return TCPFinWait, true
	}
	return TCPEstablished, true
}

// tcpStep is what a segment does to a connection.
type tcpStep struct {
	state   TCPState
	invalid bool // it makes no sense there
	reopen  bool // it begins another connection with the same tuple
}

// next returns what a segment with flags f, in the direction reply, does in state s.
// sent are the flags that each direction sent before.
func (s TCPState) next(f header.TCPFlags, reply bool, sent *[2]header.TCPFlags) tcpStep {
	stay := tcpStep{state: s}
	switch {
	case f&header.SYN != 0 && f&header.FIN != 0, f&(header.SYN|header.FIN|header.RST|header.ACK) == 0:
		return tcpStep{state: s, invalid: true}
	case f&header.RST != 0:
		return tcpStep{state: TCPClose}
	case f&header.SYN != 0 && f&header.ACK == 0:
		switch {
		case !reply && (s == TCPTimeWait || s == TCPClose || s == TCPLastAck):
			return tcpStep{state: s, reopen: true}
		case reply && s == TCPTimeWait:
			return tcpStep{state: s, reopen: true}
		case reply && (s == TCPSynSent || s == TCPSynSent2):
			return tcpStep{state: TCPSynSent2}
		case !reply && s <= TCPSynRecv, s == TCPSynSent2:
			return stay
		case s == TCPEstablished:
			return stay // the peer answers with a challenge
		}
		return tcpStep{state: s, invalid: true}
	case f&header.SYN != 0:
		switch {
		case s == TCPSynSent && reply, s == TCPSynSent2:
			return tcpStep{state: TCPSynRecv}
		case s == TCPSynSent:
			return tcpStep{state: s, invalid: true}
		}
		return stay
	case f&header.FIN != 0:
		switch s {
		case TCPSynSent, TCPSynSent2:
			return tcpStep{state: s, invalid: true}
		case TCPSynRecv, TCPEstablished:
			return tcpStep{state: TCPFinWait}
		case TCPFinWait, TCPCloseWait:
			if sent[direction(!reply)]&header.FIN != 0 {
				return tcpStep{state: TCPLastAck}
			}
		}
		return stay
	}
	return s.acknowledged(reply, sent)
}

// acknowledged is next for a segment with nothing but ACK.
func (s TCPState) acknowledged(reply bool, sent *[2]header.TCPFlags) tcpStep {
	switch s {
	case TCPSynSent, TCPSynSent2:
		// An answer is what an old connection says of the SYN: who sent that resets it.
		return tcpStep{state: s, invalid: !reply}
	case TCPSynRecv:
		if reply {
			return tcpStep{state: s}
		}
		return tcpStep{state: TCPEstablished}
	case TCPFinWait:
		if sent[direction(!reply)]&header.FIN != 0 {
			return tcpStep{state: TCPCloseWait}
		}
	case TCPLastAck:
		if sent[direction(!reply)]&header.FIN != 0 && sent[direction(reply)]&header.FIN != 0 {
			return tcpStep{state: TCPTimeWait}
		}
	}
	return tcpStep{state: s}
}
