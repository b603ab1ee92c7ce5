package tcp

// caState is where the recovery stands, with Linux's numbers (tcpi_ca_state).
type caState uint8

const (
	caOpen     caState = iota // all is well
	caDisorder                // duplicates came: perhaps a loss
	caCWR                     // the window is being reduced for ECN, or a probe that repaired a loss
	caRecovery                // retransmitting (RFC 6675)
	caLoss                    // a time-out
)

// recovery is the state of a loss, and what it takes to find that there was none.
type recovery struct {
	state      caState
	highSeq    int64 // nxt when it began: it ends when that is acknowledged
	reordering int   // duplicate acknowledgments that are no loss yet

	// Undo (RFC 3522, RFC 3708, RFC 4015).
	undoMarker    int64 // una when it began; 0: nothing to undo
	undoRetrans   int64 // bytes retransmitted and not reported twice; <0: none yet
	priorCwnd     int64
	priorSSThresh int64
	stamp         uint32 // time stamp of the first retransmission
	stamped       bool
	stampAt       int64
	echo          uint32
	echoOK        bool

	// PRR (RFC 6937).
	prrDelivered, prrOut, prrPrior int64

	frto    bool // RFC 5682: wait and see whether the time-out was spurious
	frtoNew bool // send new data, not what was marked lost
	guard   int64

	// Tail loss probe (RFC 8985 section 7).
	tlpHigh    int64 // nxt when it left; 0: none
	tlpRetrans bool
	tlpDSACK   bool
}

// isOriginal reports whether r left before the loss and once.
func (r *recovery) isOriginal(x *record) bool {
	return r.state == caLoss && x.start >= r.undoMarker && x.end <= r.highSeq && x.flags&recEver == 0
}

// highSeq0 is what una must have reached for duplicates to begin a new recovery:
// RFC 6582 section 3.2, step 1.
func (r *recovery) highSeq0() int64 { return r.guard }

// recover goes through the states (RFC 5681, 6582, 6675, 5682).
func (c *Conn) recover(now int64, sm *sample) {
	r, b := &c.rec, &c.board
	if sm.ece {
		r.priorSSThresh = 0
	}
	if b.len() > 0 && sm.advanced && b.at(0).flags&recSacked != 0 {
		c.reneged(now)
		return
	}
	if c.una >= r.highSeq && sm.advanced {
		switch r.state {
		case caCWR:
			c.endReduction()
			r.state = caOpen
		case caRecovery:
			if c.undone(now) {
				return
			}
			c.endReduction()
			r.state = caOpen
			r.guard = r.highSeq
			c.rack.recovered()
		}
	}
	switch r.state {
	case caRecovery:
		if sm.advanced && c.undoPartial(now) {
			return
		}
		c.undoDSACK()
		return
	case caLoss:
		c.inLoss(now, sm)
		if r.state != caOpen {
			return
		}
	default:
		if r.state <= caDisorder {
			c.undoDSACK()
		}
	}
	if b.lost > 0 {
		c.enterRecovery(now, sm.ece)
		return
	}
	if sm.ece && r.state < caCWR {
		c.enterCWR(now)
	}
	if r.state <= caDisorder {
		r.state = caOpen
		if b.sacked > 0 || b.reno > 0 {
			r.state = caDisorder
		}
	}
}

// enterCWR begins a reduction of the window without a loss.
func (c *Conn) enterCWR(now int64) {
	c.rec.priorSSThresh, c.rec.undoMarker = 0, 0
	if c.rec.state < caCWR {
		c.startReduction(now, lossECN)
		c.rec.state = caCWR
	}
}

// startReduction sets the threshold and begins PRR.
func (c *Conn) startReduction(now int64, kind lossKind) {
	r := &c.rec
	r.highSeq, r.tlpHigh = c.nxt, 0
	r.priorCwnd = c.ctl.Cwnd
	r.prrDelivered, r.prrOut, r.prrPrior = 0, 0, max(c.ctl.Cwnd, 1)
	c.ctl.SSThresh = max(c.cc.Loss(&c.ctl, now, kind), 2*c.ctl.MSS)
	c.ecn.reduced()
}

// endReduction ends PRR: the window is the threshold.
func (c *Conn) endReduction() {
	if c.ownsWindow() {
		return
	}
	if c.ctl.SSThresh < infiniteThresh && (c.rec.state == caCWR || c.rec.undoMarker > 0) {
		c.ctl.Cwnd = c.ctl.SSThresh
	}
}

// enterRecovery begins a fast recovery.
func (c *Conn) enterRecovery(now int64, ece bool) {
	r := &c.rec
	if c.hasSACK {
		c.cfg.Counters.SackRecovery.Add(1)
	} else {
		c.cfg.Counters.RenoRecovery.Add(1)
	}
	r.priorSSThresh = 0
	c.startUndo()
	if r.state < caCWR {
		if !ece {
			r.priorSSThresh = c.ctl.SSThresh
		}
		c.startReduction(now, lossFast)
	}
	r.state = caRecovery
}

// startUndo notes what it takes to find that nothing was lost.
func (c *Conn) startUndo() {
	c.rec.undoMarker = c.una
	c.rec.undoRetrans = -1
	if c.board.retrans > 0 {
		c.rec.undoRetrans = c.board.retrans
	}
	c.rec.stamped = false
}

// enterLoss is a time-out: what is in flight is lost, the window one segment
// (RFC 5681 section 3.1).
func (c *Conn) enterLoss(now int64) {
	r, b := &c.rec, &c.board
	fresh := r.state < caRecovery
	if r.state <= caDisorder || c.una >= r.highSeq || r.state == caLoss && c.timers.retries == 0 {
		r.priorSSThresh = c.ctl.SSThresh
		r.priorCwnd = c.ctl.Cwnd
		c.ctl.SSThresh = max(c.cc.Loss(&c.ctl, now, lossTimeout), 2*c.ctl.MSS)
		c.startUndo()
	}
	b.reno, b.dups = 0, 0
	for i := range b.len() {
		x := b.at(i)
		if i > 0 && c.hasSACK && !x.lateAt(c, now) {
			continue // it left just now: there is still time
		}
		if x.flags&recSacked == 0 {
			c.lose(x, nil)
		}
	}
	c.ctl.Cwnd = c.inflight() + c.ctl.MSS
	if c.ctl.SSThresh > infiniteThresh/2 && !c.ownsWindow() {
		c.ctl.SSThresh = 2 * c.ctl.MSS
	}
	if c.hasSACK && c.sackedSegments() >= c.tun.Reordering {
		r.reordering = min(r.reordering, c.tun.Reordering)
	}
	r.state, r.highSeq, r.guard, r.tlpHigh = caLoss, c.nxt, c.nxt, 0
	r.frto = c.tun.FRTO != 0 && (fresh || c.timers.retries > 0) && !c.probe.inflight()
	c.ecn.reduced()
}

// lateAt reports whether it is time to take r for lost, by RACK's measure.
func (x *record) lateAt(c *Conn, now int64) bool {
	return x.sentAt+c.rack.rtt+c.rack.reoWindow(c) <= now
}

// reneged is a peer that dropped what it had reported (RFC 2018 section 8): it is
// not believed any more, and everything is sent again.
func (c *Conn) reneged(now int64) {
	b := &c.board
	c.cfg.Counters.SACKReneging.Add(1)
	for i := range b.len() {
		b.set(b.at(i), 0, recSacked)
	}
	b.highSacked = 0
	c.enterLoss(now)
	c.rec.frto = false
	for i := range b.len() {
		c.lose(b.at(i), nil)
	}
	c.ctl.Cwnd = c.inflight() + c.ctl.MSS
	c.armRTO(now)
}

// inLoss is an acknowledgment after a time-out (RFC 5682 section 3).
func (c *Conn) inLoss(now int64, sm *sample) {
	r := &c.rec
	recovered := c.una >= r.highSeq
	if sm.advanced && c.undoLoss(now, false) {
		return
	}
	r.frtoNew = false
	if r.frto {
		switch {
		case sm.original && c.undoLoss(now, true):
			// Step 3b: something arrived that had left before the time-out.
			return
		case c.nxt > r.highSeq:
			if sm.newSacked > 0 || sm.dup {
				r.frto = false // step 3a: the loss was real
			}
		case sm.advanced && !recovered:
			r.highSeq = c.nxt
			if c.hasNewData() {
				r.frtoNew = true // step 2b: new data will tell
			} else {
				r.frto = false
			}
		}
	}
	if recovered {
		if !c.undone(now) {
			r.state = caOpen
			c.stats.TotalRTORecoveries++
			r.guard = r.highSeq
		}
		return
	}
	if !c.hasSACK && sm.advanced {
		c.loseHead(sm)
	}
}

// delayed reports whether the acknowledgment answers a transmission from before
// the first retransmission (Eifel, RFC 3522).
func (c *Conn) delayed() bool {
	r := &c.rec
	return r.stamped && r.echoOK && int32(r.echo-r.stamp) < 0
}

// mayUndo reports whether nothing was lost.
func (c *Conn) mayUndo() bool {
	return c.rec.undoMarker > 0 && (c.rec.undoRetrans == 0 || c.delayed())
}

// undo gives the window back (RFC 4015).
func (c *Conn) undo(unmark bool) {
	r, b := &c.rec, &c.board
	if unmark {
		for i := range b.len() {
			b.set(b.at(i), 0, recLost|recRetrans)
		}
		b.next = c.nxt
	}
	if r.priorSSThresh > 0 {
		c.ctl.Cwnd = max(c.ctl.Cwnd, c.cc.Undo(&c.ctl, r.priorCwnd))
		if r.priorSSThresh > c.ctl.SSThresh {
			c.ctl.SSThresh = r.priorSSThresh
			c.ecn.restored()
		}
	}
	r.undoMarker = 0
	c.rack.advanced = true
}

// undone ends a recovery that was not needed.
func (c *Conn) undone(now int64) bool {
	if !c.mayUndo() {
		return false
	}
	if c.rec.state == caLoss {
		c.cfg.Counters.LossUndo.Add(1)
	} else {
		c.cfg.Counters.FullUndo.Add(1)
	}
	c.undo(false)
	c.rec.state = caOpen
	return true
}

// undoPartial ends it early, when the acknowledgment of a part shows that it was
// only late.
func (c *Conn) undoPartial(now int64) bool {
	if c.rec.undoMarker == 0 || !c.delayed() {
		return false
	}
	c.rack.reordered = true
	if c.board.retrans > 0 {
		return true
	}
	c.cfg.Counters.PartialUndo.Add(1)
	c.undo(true)
	c.rec.state = caOpen
	return true
}

// undoDSACK ends it when all that was retransmitted had arrived before.
func (c *Conn) undoDSACK() {
	r := &c.rec
	if r.undoMarker == 0 || r.undoRetrans != 0 {
		return
	}
	c.cfg.Counters.DSACKUndo.Add(1)
	c.undo(false)
	if r.state == caRecovery {
		r.state = caOpen
	}
}

// undoLoss ends a spurious time-out.
func (c *Conn) undoLoss(now int64, frto bool) bool {
	if !frto && !c.mayUndo() {
		return false
	}
	c.undo(true)
	c.cfg.Counters.LossUndo.Add(1)
	if frto {
		c.cfg.Counters.SpuriousRTOs.Add(1)
	}
	c.timers.retries = 0
	c.rec.frto, c.rec.frtoNew = false, false
	c.rec.state = caOpen
	return true
}

// control adapts the window: by PRR while it is being reduced, else by the
// congestion control.
func (c *Conn) control(now int64, sm *sample) {
	c.rate.finish(c, now, sm)
	switch {
	case c.ownsWindow():
		c.cc.Ack(&c.ctl, c.ackInfo(now, sm))
	case c.rec.state == caCWR || c.rec.state == caRecovery:
		c.reduce(sm)
	case sm.advanced && c.mayRaise(sm):
		c.cc.Ack(&c.ctl, c.ackInfo(now, sm))
	}
	c.updatePacing()
}

// mayRaise is Linux's: with much reordering what SACK reports counts as well.
func (c *Conn) mayRaise(sm *sample) bool { return sm.acked > 0 && !(sm.ece && c.rec.state == caCWR) }

// reduce is proportional rate reduction (RFC 6937): what may be sent for what
// arrived.
func (c *Conn) reduce(sm *sample) {
	r := &c.rec
	if sm.delivered <= 0 && sm.lost == 0 {
		return
	}
	r.prrDelivered += sm.delivered
	pipe := c.inflight()
	var n int64
	if pipe > c.ctl.SSThresh {
		n = (r.prrDelivered*c.ctl.SSThresh+r.prrPrior-1)/r.prrPrior - r.prrOut
	} else {
		n = max(r.prrDelivered-r.prrOut, sm.delivered)
		if sm.advanced && sm.lost == 0 {
			n += c.ctl.MSS
		}
		n = min(n, c.ctl.SSThresh-pipe)
	}
	if r.prrOut == 0 {
		n = max(n, c.ctl.MSS) // the fast retransmission itself
	}
	c.ctl.Cwnd = max(pipe+max(n, 0), c.ctl.MSS)
}

// tlpAcked finds whether a probe repaired a loss (RFC 8985 section 7.4).
func (c *Conn) tlpAcked(now int64, sm *sample) {
	r := &c.rec
	if r.tlpHigh == 0 || sm.ackSeq < r.tlpHigh {
		return
	}
	switch {
	case !r.tlpRetrans, r.tlpDSACK || sm.dsack:
		r.tlpHigh = 0
	case sm.ackSeq > r.tlpHigh:
		r.tlpHigh = 0
		if r.state < caCWR {
			c.startReduction(now, lossFast)
			r.state = caCWR
			c.endReduction()
			r.state = caOpen
			c.cfg.Counters.LossProbeRecovery.Add(1)
		}
	case sm.newSacked == 0 && !sm.advanced:
		r.tlpHigh = 0 // both copies arrived
	}
}

// ackInfo is what the congestion control is told.
func (c *Conn) ackInfo(now int64, sm *sample) *AckInfo {
	c.ctl.info = AckInfo{Now: now, Acked: sm.acked, Delivered: sm.delivered, Lost: sm.lost, Inflight: c.inflight(),
		PriorInflight: sm.inflight, RTT: max(sm.pathRTT, 0), ECE: sm.ece, Una: c.una, Nxt: c.nxt,
		Limited: c.ctl.limited, Recovering: c.rec.state >= caRecovery, Rate: c.rate.last}
	if c.ctl.info.RTT == 0 {
		c.ctl.info.RTT = sm.sackRTT
	}
	return &c.ctl.info
}
