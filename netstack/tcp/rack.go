package tcp

// rack finds losses by time (RFC 8985): what left well before something that
// arrived is lost.
type rack struct {
	sentAt    int64 // when the latest segment left that is known to have arrived
	end       int64
	rtt       int64 // of the segment that arrived last
	advanced  bool
	reordered bool // segments overtook each other once

	steps      int   // the reordering window is steps/4 of the least round trip
	persist    int   // recoveries until it is small again
	dsackRound int64 // una must pass it before another DSACK counts
}

// delivered takes in a record that arrived, up to end (section 6.2, steps 1 and 2).
func (k *rack) delivered(c *Conn, now int64, r *record, end int64) {
	rtt := now - r.sentAt
	if r.flags&recEver != 0 && rtt < c.rtt.min.value {
		return // the answer is to the transmission before
	}
	// The round trip is that of what arrived last, also if it left before: those that
	// were overtaken say how long the path takes, not what overtook them.
	k.rtt, k.advanced = rtt, true
	if r.sentAt > k.sentAt || r.sentAt == k.sentAt && end > k.end {
		k.sentAt, k.end = r.sentAt, end
	}
}

// gotDSACK widens the reordering window once a round (step 4).
func (k *rack) gotDSACK(c *Conn) {
	if c.tun.Recovery&2 != 0 || c.una < k.dsackRound {
		return
	}
	k.dsackRound = c.nxt
	k.steps = min(max(k.steps, 1)+1, 16)
	k.persist = 16
}

// recovered counts the rounds of recovery until the window is small again.
func (k *rack) recovered() {
	if k.persist--; k.persist <= 0 {
		k.steps, k.persist = 1, 0
	}
}

// reoWindow is how long a segment may be overtaken before it is taken for lost.
func (k *rack) reoWindow(c *Conn) int64 {
	if !k.reordered {
		if c.rec.state >= caRecovery {
			return 0
		}
		if c.tun.Recovery&4 == 0 && c.sackedSegments() >= c.rec.reordering {
			return 0
		}
	}
	return min(c.rtt.min.value/4*int64(max(k.steps, 1)), c.rtt.srtt)
}

// detect marks the records that are lost, and arms the timer for those that will
// be if nothing is heard of them (step 5). Without SACK it counts duplicate
// acknowledgments (RFC 6582).
func (c *Conn) detect(now int64, sm *sample) {
	if !c.hasSACK {
		c.detectReno(now, sm)
		return
	}
	if !c.rack.advanced {
		return
	}
	c.rack.advanced = false
	if wait := c.markLost(now, sm); wait > 0 {
		c.timers.arm(timerReorder, now+wait+1)
	}
}

// markLost marks what is lost at now, and returns how long until something else
// may be, or 0.
func (c *Conn) markLost(now int64, sm *sample) int64 {
	b, k := &c.board, &c.rack
	reo := k.reoWindow(c)
	var wait int64
	for i := range b.len() {
		r := b.at(i)
		if r.flags&recSacked != 0 || r.flags&recLost != 0 && r.flags&recRetrans == 0 {
			continue
		}
		if r.sentAt > k.sentAt || r.sentAt == k.sentAt && r.end > k.end {
			if r.flags&recEver == 0 {
				break // the others left later still
			}
			continue
		}
		if left := r.sentAt + k.rtt + reo - now; left <= 0 {
			c.lose(r, sm)
		} else {
			wait = max(wait, left)
		}
	}
	return wait
}

// lose marks a record, or its retransmission, as lost.
func (c *Conn) lose(r *record, sm *sample) {
	if r.flags&recSacked != 0 || r.flags&recLost != 0 && r.flags&recRetrans == 0 {
		return
	}
	if r.flags&recRetrans != 0 {
		c.cfg.Counters.LostRetransmit.Add(1)
	}
	if sm != nil {
		sm.lost += r.end - r.start
	}
	c.rate.lost += r.end - r.start
	c.board.set(r, recLost, recRetrans)
}

// reorderFired is the reordering timer: what was waited for is lost.
func (c *Conn) reorderFired(now int64) {
	before := c.inflight()
	sm := sample{now: now, inflight: before}
	wait := c.markLost(now, &sm)
	if c.inflight() != before {
		if c.rec.state < caRecovery {
			c.enterRecovery(now, false)
		}
		if !c.ownsWindow() && c.rec.state != caLoss {
			sm.delivered = c.ctl.MSS // as if one had arrived: the loss was found without an acknowledgment
			c.reduce(&sm)
		}
	}
	if wait > 0 {
		c.timers.arm(timerReorder, now+wait+1)
	} else {
		c.armRTO(now)
	}
}

// detectReno is what duplicate acknowledgments tell without SACK.
func (c *Conn) detectReno(now int64, sm *sample) {
	b := &c.board
	if sm.dup {
		b.dups++
		was := b.reno
		b.reno = min(b.reno+c.ctl.MSS, max(0, c.nxt-c.una-c.ctl.MSS))
		sm.delivered += b.reno - was
	}
	switch {
	case c.rec.state < caRecovery && b.dups >= c.rec.reordering && b.len() > 0 && c.una >= c.rec.highSeq0():
		c.loseHead(sm)
	case c.rec.state == caRecovery && sm.advanced && c.una < c.rec.highSeq:
		c.loseHead(sm) // a partial acknowledgment: the next one is lost, too
	}
}

// loseHead marks the first segment as lost.
func (c *Conn) loseHead(sm *sample) {
	b := &c.board
	if b.len() == 0 {
		return
	}
	if r := b.at(0); r.end-r.start > c.ctl.MSS {
		b.split(0, r.start+c.ctl.MSS)
	}
	r := b.at(0)
	if r.flags&(recLost|recRetrans) == recLost|recRetrans {
		return // its retransmission is on the way
	}
	c.lose(r, sm)
}
