package tcp

// State is a state of RFC 9293 section 3.3.2, with Linux's numbers.
type State uint8

// The states.
const (
	Established State = 1 + iota
	SynSent
	SynReceived
	FinWait1
	FinWait2
	TimeWaiting
	Closed
	CloseWait
	LastAck
	Listening
	Closing
)

// String is the name as netstat prints it.
func (s State) String() string {
	names := [...]string{"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
		"TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"}
	if int(s) < len(names) {
		return names[s]
	}
	return "UNKNOWN"
}

// synchronized reports whether both sides have agreed on sequence numbers.
func (s State) synchronized() bool {
	return s != SynSent && s != SynReceived && s != Closed && s != Listening
}

// maySend reports whether data may leave in this state: what was queued before a
// FIN, too.
func (s State) maySend() bool {
	switch s {
	case Established, CloseWait, FinWait1, LastAck, Closing:
		return true
	}
	return false
}

// mayReceive reports whether the peer's data are still to come.
func (s State) mayReceive() bool {
	return s == Established || s == FinWait1 || s == FinWait2
}

// Events say what happened since they were asked for last.
type Events uint16

// The events.
const (
	EventConnected   Events = 1 << iota // the handshake is complete
	EventReadable                       // data came in order
	EventAcked                          // data were acknowledged: there is room
	EventPeerClosed                     // the peer's FIN came in order
	EventUrgent                         // there is urgent data (SIGURG)
	EventClosed                         // the connection is over; Err says how
	EventTimeWait                       // it is over but for 2 MSL: see Conn.TimeWait
	EventSuspectPath                    // retransmissions fail: the route may be stale
	EventSoftError                      // Conn.SoftErr changed
	EventWriteClosed                    // our FIN was acknowledged
)

// expand returns the sequence number that s stands for: the one nearest to ref.
func expand(ref int64, s uint32) int64 { return ref + int64(int32(s-uint32(ref))) }

// initial returns the first number of a sequence space. It is far above 0, so
// that what lies before it is a number too.
func initial(s uint32) int64 { return int64(s) + 1<<32 }
