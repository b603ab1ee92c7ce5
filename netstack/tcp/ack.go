package tcp

import (
	"hull/netstack/header"
)

// sample is what one acknowledgment brought, for the recovery, the congestion
// control and the delivery rate.
type sample struct {
	now        int64
	acked      int64 // bytes that una advanced
	newSacked  int64 // bytes that were reported by SACK for the first time
	delivered  int64 // bytes that are known to have arrived by it
	rtt        int64 // of the first segment, if all were sent once; 0: none
	pathRTT    int64 // of the last one
	sackRTT    int64
	ece        bool
	dsack      bool
	advanced   bool  // una moved
	original   bool  // something arrived that was sent only once, after the loss began
	retransAck bool  // something that was retransmitted was acknowledged
	dup        bool  // it is a duplicate acknowledgment (RFC 5681 section 2)
	inflight   int64 // before it
	lost       int64 // bytes newly marked lost
	winUpdate  bool
	oldUna     int64
	ackSeq     int64
	// Of the delivery rate (see rate.go).
	prior rateSample
}

// inputAck processes the acknowledgment of a segment (section 3.10.7.4, fifth;
// RFC 5961 section 5). It reports whether the rest of the segment counts.
func (c *Conn) inputAck(now int64, s *Segment) bool {
	if s.ack > c.nxt {
		// Of what was never sent: an acknowledgment, and drop it.
		c.challenge(now)
		return false
	}
	if s.ack < c.una {
		if s.ack < c.una-max(c.maxWnd, 1) {
			c.challenge(now)
			return false
		}
		// Old, but its SACK blocks and data may be news.
		if c.hasSACK && s.Opt.NSACK > 0 {
			c.processAck(now, s, true)
		}
		return true
	}
	c.noteTS(now, s)
	c.processAck(now, s, false)
	return true
}

// processAck is what inputAck does with an acknowledgment in the window.
func (c *Conn) processAck(now int64, s *Segment, old bool) {
	sm := sample{now: now, inflight: c.inflight(), oldUna: c.una, ackSeq: s.ack}
	outstanding := c.nxt > c.una
	if !old {
		sm.winUpdate = c.updateSendWindow(s)
		c.lastAck = now
		sm.ece = c.ecn.gotEce(c, s)
		c.timers.probes = 0
		if s.Len == 0 {
			c.cfg.Counters.PureAcks.Add(1)
		}
	}
	if c.hasSACK && s.Opt.NSACK > 0 {
		c.processSack(now, s, &sm)
	}
	if s.ack > c.una {
		c.advance(now, s.ack, &sm)
	}
	// RFC 5681 section 2: outstanding data, no data, no SYN or FIN, the greatest
	// acknowledgment so far, the window unchanged. With SACK: news of blocks.
	sm.dup = !old && outstanding && !sm.advanced && s.Len == 0 && s.Flags&(header.SYN|header.FIN) == 0 && !sm.winUpdate
	if !outstanding {
		if sm.dsack { // the second copy of what was acknowledged already
			c.tlpAcked(now, &sm)
			c.undoDSACK()
		}
		c.noteAckOnly(now, &sm)
		return
	}
	c.tookSample(now, s, &sm)
	if c.state != Closed {
		c.afterAck(now, &sm)
	}
}

// noteAckOnly is an acknowledgment while nothing is in flight: it may open the
// window that a probe waits for.
func (c *Conn) noteAckOnly(now int64, sm *sample) {
	if c.timers.kind == timerPersist {
		if c.canSendNow() {
			c.timers.backoff = 0
			c.timers.rtx, c.timers.kind = 0, timerNone
		} else {
			c.armPersist(now)
		}
	}
}

// updateSendWindow takes the window of the newest segment (section 3.10.7.4). It
// reports whether it changed.
func (c *Conn) updateSendWindow(s *Segment) bool {
	w := int64(s.Window)
	if s.Flags&header.SYN == 0 {
		w <<= c.sndScale
	}
	if !(s.ack > c.una || s.seq > c.wl1 || s.seq == c.wl1 && (w > c.sndWnd || s.ack >= c.wl2 && w != c.sndWnd && s.ack >= c.una)) {
		return false
	}
	c.wl1, c.wl2 = s.seq, s.ack
	if w == c.sndWnd {
		return false
	}
	c.sndWnd = w
	if w > c.maxWnd {
		c.maxWnd = w
		c.updateMSS()
	}
	return true
}

// advance takes what una moves over out of the queues.
func (c *Conn) advance(now, ack int64, sm *sample) {
	sm.advanced = true
	sm.acked = ack - c.una
	c.clean(now, ack, sm)
	c.una = ack
	c.board.renoAdvance(c, sm)
	dataAck := min(ack, c.end)
	if dataAck > c.data.base {
		c.stats.BytesAcked += uint64(dataAck - c.data.base)
		c.data.trim(dataAck)
		c.events |= EventAcked
	}
	c.timers.retries = 0
	if c.finQueued && ack == c.end+1 {
		c.finAcked(now)
	}
}

// finAcked is the acknowledgment of our FIN (section 3.10.7.4, fifth).
func (c *Conn) finAcked(now int64) {
	c.events |= EventWriteClosed
	switch c.state {
	case FinWait1:
		c.state = FinWait2
		c.enterFinWait2(now)
	case Closing:
		c.enterTimeWait(now)
	case LastAck:
		c.finish(0)
	}
}

// clean takes the records that ack covers off the board and samples the round
// trip (RFC 6298 section 3: never of a retransmission; RFC 7323 section 4.1).
func (c *Conn) clean(now, ack int64, sm *sample) {
	b := &c.board
	var firstSent, lastSent int64
	for b.len() > 0 {
		r := b.at(0)
		if r.start >= ack {
			break
		}
		n := r.end - r.start
		if r.end > ack {
			// A part of it: the rest stays as it is.
			n = ack - r.start
		}
		if r.flags&recSacked == 0 {
			sm.delivered += n
			c.rate.delivered(now, r, &sm.prior)
			if r.flags&recEver == 0 {
				lastSent = r.sentAt
				if firstSent == 0 {
					firstSent = r.sentAt
				}
				sm.original = sm.original || c.rec.isOriginal(r)
				if r.end <= b.highSacked && r.end <= ack {
					c.sawReordering(b.highSacked-r.start, false)
				}
			} else {
				sm.retransAck = true
			}
			c.rack.delivered(c, now, r, min(r.end, ack))
		}
		if r.end > ack {
			b.trimFront(r, n)
			break
		}
		b.pop()
	}
	if sm.retransAck && !c.hasSACK {
		// Without SACK nobody knows which of them came only now.
		sm.original = false
	}
	if firstSent != 0 && !sm.retransAck {
		// The first one is what the time-out must allow for, delayed
		// acknowledgments included; the last one is the path's own time.
		sm.rtt, sm.pathRTT = max(now-firstSent, 1), max(now-lastSent, 1)
	}
}

// tookSample feeds what was learned to the estimators.
func (c *Conn) tookSample(now int64, s *Segment, sm *sample) {
	if r := sm.pathRTT; r > 0 {
		c.rtt.min.update(now, r, int64(c.tun.MinRTTWindow))
	} else if sm.sackRTT > 0 {
		c.rtt.min.update(now, sm.sackRTT, int64(c.tun.MinRTTWindow))
	}
	switch {
	case sm.rtt > 0:
		c.rtt.sample(c, now, sm.rtt)
	case sm.advanced && c.hasTS && s.Opt.HasTS && s.Opt.TSEcr != 0:
		// Of retransmissions only the echo tells which one was answered.
		if d := int64(int32(c.clock(now) - s.Opt.TSEcr)); d >= 0 && d < int64(pawsIdle/1e6) {
			c.rtt.sample(c, now, max(d*1e6, 1))
		}
	case sm.sackRTT > 0:
		c.rtt.sample(c, now, sm.sackRTT)
	}
	c.ctl.SRTT, c.ctl.MinRTT = c.rtt.srtt, c.rtt.minRTT(now)
	if sm.advanced && sm.acked > 0 {
		c.timers.backoff = 0
		c.rtt.rearm(c)
	}
	c.stats.Delivered += uint32((sm.delivered + c.ctl.MSS - 1) / c.ctl.MSS)
	if sm.ece {
		c.stats.DeliveredCE += uint32((sm.delivered + c.ctl.MSS - 1) / c.ctl.MSS)
	}
	if sm.advanced && c.hasTS && s.Opt.HasTS {
		c.rec.echo, c.rec.echoOK = s.Opt.TSEcr, s.Opt.TSEcr != 0
	} else {
		c.rec.echoOK = false
	}
}

// afterAck runs the loss recovery, the congestion control and the timers.
func (c *Conn) afterAck(now int64, sm *sample) {
	c.tlpAcked(now, sm)
	c.detect(now, sm)
	c.recover(now, sm)
	c.control(now, sm)
	if sm.acked > 0 || sm.newSacked > 0 {
		c.expandSndBuf()
	}
	c.probe.acked(c, now)
	c.rearm(now, sm)
}
