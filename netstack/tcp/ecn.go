package tcp

import "hull/netstack/header"

// ecn is explicit congestion notification (RFC 3168).
type ecn struct {
	wanted bool // ask for it
	ok     bool // both agreed
	asked  bool
	echo   bool // a mark came: ECE until the peer says CWR
	seen   bool // a packet that is capable of it came
	sayCWR bool // the window was reduced: CWR with the next data
}

// onSyn returns the flags of a SYN (section 6.1.1). A repeated one asks no more,
// in case it was lost for asking (tcp_ecn_fallback).
func (e *ecn) onSyn(c *Conn) header.TCPFlags {
	if !e.wanted || c.rtt.synAt != 0 && c.tun.ECNFallback {
		e.asked = false
		return 0
	}
	e.asked = true
	return header.ECE | header.CWR
}

// gotSynAck completes the agreement: ECE without CWR.
func (e *ecn) gotSynAck(c *Conn, s *Segment) {
	e.ok = e.asked && s.Flags&(header.ECE|header.CWR) == header.ECE
}

// ecnAccept agrees to what a SYN asked for.
func (c *Conn) ecnAccept(s *Segment) {
	both := header.ECE | header.CWR
	// A SYN that is itself marked, or claims to be capable, is not of RFC 3168.
	c.ecn.ok = s.Flags&both == both && (c.tun.ECN != 0 || c.opt.ECN) && !s.CE
}

// onSynAck returns the flag of a SYN-ACK.
func (e *ecn) onSynAck(c *Conn) header.TCPFlags {
	if e.ok {
		return header.ECE
	}
	return 0
}

// received takes in a data segment's mark and the peer's CWR.
func (e *ecn) received(c *Conn, s *Segment) {
	if !e.ok {
		return
	}
	if s.Flags&header.CWR != 0 && s.Len > 0 {
		e.echo = false
	}
	e.seen = e.seen || s.CE || s.ECT
	if s.CE {
		if !e.echo {
			c.ack.now = true
		}
		e.echo = true
		c.cfg.Counters.DeliveredCE.Add(1)
	}
}

// flags returns what a segment says of congestion.
func (e *ecn) flags(c *Conn, flags header.TCPFlags, from, to int64) header.TCPFlags {
	if flags&(header.SYN|header.RST) != 0 {
		return 0
	}
	var f header.TCPFlags
	if e.echo {
		f = header.ECE
	}
	// CWR goes with new data only, never with a retransmission (section 6.1.5).
	if e.sayCWR && to > from && from >= c.nxt {
		f |= header.CWR
		e.sayCWR = false
	}
	return f
}

// gotEce reports whether the acknowledgment says that a mark arrived.
func (e *ecn) gotEce(c *Conn, s *Segment) bool {
	return e.ok && s.Flags&header.ECE != 0 && s.Flags&header.SYN == 0
}

// reduced has the next data say CWR; restored takes it back.
func (e *ecn) reduced()  { e.sayCWR = e.ok }
func (e *ecn) restored() { e.sayCWR = false }
