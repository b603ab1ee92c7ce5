package tcp

import (
	"hull/netstack/header"
)

// ackState is when the next acknowledgment is due.
//
// RFC 9293 section 3.8.6.3: every second full segment is acknowledged at once,
// anything else within half a second. As Linux has it: within 40 to 200 ms by the
// rhythm of the peer, and at once while it is in slow start (quick).
type ackState struct {
	now         bool // at once
	pending     uint8
	quick       int   // how many acknowledgments more are not delayed
	ato         int64 // the delay, ns; 0: nothing came yet
	last        int64 // when data last came
	interactive bool  // both sides talk: an acknowledgment rides on data
	replies     int   // how often we answered what just came
	held        bool  // TCP_QUICKACK 0 was asked for

	dsack   bool // the next one reports a duplicate (RFC 2883)
	dsackAt header.SACKBlock
	recent  [4]int64 // starts of the ranges that came last, the newest first
}

// What is pending.
const (
	pendingNone   = 0
	pendingData   = 1
	pendingPushed = 2 // a small segment, after another small one
)

// dataCame schedules the acknowledgment of data that came in order.
func (c *Conn) dataCame(now int64, s *Segment) {
	a := &c.ack
	n := s.Len
	if s.Merged > 1 {
		n = (s.Len + s.Merged - 1) / s.Merged
	}
	if n >= c.rcvMSS {
		c.rcvMSS = min(n, c.advMSS())
	} else if s.Flags&header.PSH != 0 && n < DefaultMSS4 {
		a.pending = pendingPushed
	}
	if a.pending == pendingNone {
		a.pending = pendingData
	}
	switch d := now - a.last; {
	case a.ato == 0:
		// The first data: the peer starts slowly and lives from acknowledgments.
		c.quickAck(maxQuickAcks)
		a.ato = int64(delackMin)
	case d <= int64(delackMin)/2:
		a.ato = a.ato/2 + int64(delackMin)/2
	case d < a.ato:
		a.ato = min(a.ato/2+d, c.rtt.rto)
	case d > c.rtt.rto:
		// A gap that long: its window may have closed, or it starts anew.
		c.quickAck(maxQuickAcks)
	}
	a.last = now
	c.lastData = now
}

// quickAck has the next acknowledgments not be delayed: half of the window, and
// most at most.
func (c *Conn) quickAck(most int) {
	n := int(c.rcvWnd / int64(2*max(c.rcvMSS, 1)))
	if n == 0 {
		n = 2
	}
	c.ack.quick = max(c.ack.quick, min(n, most))
}

// ackCheck decides what becomes of data that came: an acknowledgment now or later.
func (c *Conn) ackCheck(now int64) {
	a := &c.ack
	if a.pending == pendingNone || a.now {
		return
	}
	switch {
	case c.rcvNxt-c.rcvWup > int64(c.rcvMSS) && (c.rcv.n < int64(c.rcvMSS) || c.freeWindow() >= c.window()):
		a.now = true // more than a full segment
	case a.quick > 0 && !a.interactive && !a.held:
		a.now = true
	case len(c.ooo.ranges) > 0:
		a.now = true
	default:
		c.armDelack(now)
	}
}

// armDelack sets the timer of the delayed acknowledgment.
func (c *Conn) armDelack(now int64) {
	a := &c.ack
	d := a.ato
	most, least := int64(delackMax), int64(delackMin)
	if c.opt.DelackMax != 0 {
		most = min(most, int64(c.opt.DelackMax))
		least = min(least, most)
	}
	if c.rtt.srtt > 0 {
		most = min(most, max(c.rtt.srtt, least))
	}
	d = min(max(d, least), most)
	at := now + d
	if t := c.timers.delack; t == 0 || at < t {
		c.timers.delack = at
	}
}

// delackFired sends what was delayed.
func (c *Conn) delackFired(now int64) {
	if c.ack.pending == pendingNone {
		return
	}
	if c.ack.interactive {
		// The reply did not come in time: this is no conversation.
		c.ack.interactive, c.ack.replies = false, 0
		c.ack.ato = int64(delackMin)
	} else {
		c.ack.ato = min(c.ack.ato*2, c.rtt.rto)
	}
	c.ack.now = true
	c.cfg.Counters.DelayedACKs.Add(1)
}

// flushAck sends an acknowledgment if one is due and no data took it along.
func (c *Conn) flushAck(now int64) {
	if !c.ack.now || c.state == Closed || c.state == SynSent || c.state == Listening {
		return
	}
	c.sendAck(now)
}

// sendAck sends an acknowledgment.
func (c *Conn) sendAck(now int64) {
	if c.state == SynReceived && !c.passive {
		c.sendSynAck(now)
		return
	}
	c.emit(now, c.nxt, header.ACK, 0, 0, nil)
}

// ackWasSent notes that a segment took an acknowledgment along.
func (c *Conn) ackWasSent() {
	a := &c.ack
	if a.quick > 0 {
		a.quick--
	}
	a.now, a.pending, a.dsack = false, pendingNone, false
	c.timers.delack = 0
}

// QuickAck is TCP_QUICKACK: whether acknowledgments are sent at once. once has that
// end with one that is due.
func (c *Conn) QuickAck(now int64, on, once bool) {
	now = c.tick(now)
	c.ack.held = !on
	c.ack.interactive = !on
	if on {
		c.quickAck(maxQuickAcks)
		if c.ack.pending != pendingNone {
			if c.rcv.n == 0 && !c.finRcvd { // what was not read will be acknowledged when it is
				c.ack.now = true
				c.push(now)
			}
			c.ack.held, c.ack.interactive = once, once
		}
	}
}

// IsQuick answers TCP_QUICKACK.
func (c *Conn) IsQuick() bool { return !c.ack.interactive }
