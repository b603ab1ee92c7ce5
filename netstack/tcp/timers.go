package tcp

import (
	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// timerKind is what the retransmission timer waits for: one thing at a time, as
// Linux has it.
type timerKind uint8

const (
	timerNone    timerKind = iota
	timerRTO               // retransmit (RFC 6298)
	timerReorder           // RACK: what is reordered becomes lost
	timerProbe             // tail loss probe
	timerPersist           // zero-window probe (RFC 9293 section 3.8.6.1)
)

// timers are deadlines, 0 for those that do not run.
type timers struct {
	rtx    int64
	kind   timerKind
	delack int64
	keep   int64
	pace   int64
	life   int64 // the end of FIN-WAIT-2 of an orphan

	backoff    int   // how often the time-out doubled
	retries    int   // time-outs in a row
	since      int64 // when the first of them was
	probes     int   // probes of the window in a row without an answer
	probeSince int64
	keepProbes int
}

func (t *timers) next() int64 {
	at := t.rtx
	for _, d := range [...]int64{t.delack, t.keep, t.pace, t.life} {
		if d != 0 && (at == 0 || d < at) {
			at = d
		}
	}
	return at
}

func (t *timers) arm(k timerKind, at int64) { t.kind, t.rtx = k, at }

// Timer runs the timers that are due.
func (c *Conn) Timer(now int64) {
	now = c.tick(now)
	t := &c.timers
	if c.state == Closed || c.state == TimeWaiting {
		return
	}
	if t.pace != 0 && t.pace <= now {
		t.pace = 0
	}
	if t.rtx != 0 && t.rtx <= now {
		kind := t.kind
		t.rtx, t.kind = 0, timerNone
		switch kind {
		case timerRTO:
			c.rtoFired(now)
		case timerReorder:
			c.reorderFired(now)
		case timerProbe:
			c.probeFired(now)
		case timerPersist:
			c.persistFired(now)
		}
	}
	if t.delack != 0 && t.delack <= now {
		t.delack = 0
		c.delackFired(now)
	}
	if t.keep != 0 && t.keep <= now {
		t.keep = 0
		c.keepFired(now)
	}
	if t.life != 0 && t.life <= now {
		t.life = 0
		c.finish(0)
	}
	c.push(now)
}

// armRTO starts the retransmission timer anew.
func (c *Conn) armRTO(now int64) {
	rto := min(c.rtt.rto<<min(c.timers.backoff, 20), c.rtoMax())
	if c.opt.ThinLinear || c.tun.ThinLinearTimeouts {
		if c.state == Established && c.thin() && c.timers.retries > 0 && c.timers.retries <= 6 {
			rto = min(c.rtt.rto, c.rtoMax())
		}
	}
	if c.state == SynSent && c.timers.retries <= c.tun.SynLinearTimeouts {
		rto = min(c.rtt.rto, c.rtoMax())
	}
	if u := int64(c.opt.UserTimeout); u > 0 && c.timers.since != 0 {
		rto = max(min(rto, c.timers.since+u-now), 1e6)
	}
	c.timers.arm(timerRTO, now+rto)
}

// thin reports whether so few segments are in flight that duplicates cannot tell
// of a loss.
func (c *Conn) thin() bool { return c.nxt-c.una < 4*c.ctl.MSS && c.rec.state != caRecovery }

// rearm sets the timer after an acknowledgment (RFC 6298 section 5, 5.2 and 5.3).
func (c *Conn) rearm(now int64, sm *sample) {
	t := &c.timers
	if c.nxt == c.una {
		if t.kind != timerPersist {
			t.rtx, t.kind = 0, timerNone
		}
		t.since = 0
		return
	}
	if sm.advanced {
		t.since = 0
	}
	if t.kind == timerReorder {
		return
	}
	if sm.advanced || sm.newSacked > 0 && t.kind == timerProbe || t.kind == timerNone {
		c.armRTO(now)
		c.armLossProbe(now)
	}
}

// armLossProbe sets the timer of the tail loss probe instead of the time-out, if
// one makes sense (RFC 8985 section 7.2).
func (c *Conn) armLossProbe(now int64) {
	t := &c.timers
	if c.tun.EarlyRetrans < 3 || !c.hasSACK || c.rec.state != caOpen && c.rec.state != caCWR ||
		c.nxt == c.una || c.board.sacked > 0 || c.rec.tlpHigh != 0 || t.retries > 0 ||
		t.kind != timerRTO && t.kind != timerProbe && t.kind != timerNone || c.una <= c.iss {
		return
	}
	pto := int64(initialRTO)
	if c.rtt.srtt > 0 {
		pto = 2 * c.rtt.srtt
		if c.nxt-c.una <= c.ctl.MSS {
			pto += c.rtoMin() // it may be the acknowledgment that is delayed
		} else {
			pto += 2e6
		}
	}
	if t.kind == timerRTO {
		pto = min(pto, max(t.rtx-now, 1))
	} else {
		pto = min(pto, c.rtt.rto)
	}
	t.arm(timerProbe, now+pto)
}

// probeFired sends a tail loss probe: new data if there are, or the last segment
// again (section 7.3).
func (c *Conn) probeFired(now int64) {
	if c.nxt == c.una || c.board.len() == 0 {
		return
	}
	c.rec.tlpHigh, c.rec.tlpRetrans, c.rec.tlpDSACK = 0, false, false
	mss := c.segmentSize()
	if n := min(c.end-c.nxt, mss); n > 0 && c.nxt+n <= c.una+c.sndWnd {
		c.transmit(now, n, false)
	} else {
		i := c.board.len() - 1
		if r := c.board.at(i); r.end-r.start > mss+1 {
			c.board.split(i, r.end-mss)
			i++
		}
		c.rec.tlpRetrans = true
		undo, stamped := c.rec.undoRetrans, c.rec.stamped
		c.retransmitProbe(now, i)
		c.rec.undoRetrans, c.rec.stamped = undo, stamped
	}
	c.rec.tlpHigh = c.nxt
	c.cfg.Counters.LossProbes.Add(1)
	c.armRTO(now)
}

// retransmitProbe sends record i again without taking it for lost.
func (c *Conn) retransmitProbe(now int64, i int) {
	lost := c.board.at(i).flags&recLost != 0
	c.retransmit(now, i)
	if r := c.board.at(i); !lost {
		c.board.set(r, 0, recRetrans)
	}
}

// rtoFired is the time-out (RFC 6298 section 5.4 to 5.7).
func (c *Conn) rtoFired(now int64) {
	if c.state == SynSent || c.state == SynReceived {
		c.synTimeout(now)
		return
	}
	if c.nxt == c.una || c.board.len() == 0 {
		return
	}
	t := &c.timers
	if t.since == 0 {
		t.since = now
	}
	if c.gaveUp(now) {
		return
	}
	if t.retries == 0 {
		c.cfg.Counters.Timeouts.Add(1)
	}
	c.stats.TotalRTO++
	c.probe.timedOut(c, now)
	if c.sndWnd == 0 && !c.orphan {
		// The peer took its window back: this is a probe, no sign of congestion.
		c.fit(0, c.ctl.MSS)
		c.retransmit(now, 0)
	} else {
		c.enterLoss(now)
		c.segmentSize()
		c.fit(0, c.ctl.MSS)
		c.retransmit(now, 0)
	}
	t.retries++
	t.backoff++
	c.armRTO(now)
}

// gaveUp ends the connection if retransmitting went on for too long (RFC 9293
// section 3.8.3: R1 and R2; RFC 5482).
func (c *Conn) gaveUp(now int64) bool {
	t := &c.timers
	if t.retries >= c.tun.Retries1 {
		c.events |= EventSuspectPath
	}
	retries := c.tun.Retries2
	if c.orphan {
		retries = c.orphanRetries()
	}
	over := now-t.since >= c.retryTime(retries)
	if u := int64(c.opt.UserTimeout); u > 0 {
		over = now-t.since >= u
	}
	if t.retries == 0 || !over {
		return false
	}
	c.cfg.Counters.AbortOnTimeout.Add(1)
	c.timeout()
	return true
}

// timeout ends the connection because the peer is silent: with what ICMP said of
// it, if it did.
func (c *Conn) timeout() {
	err := c.softErr
	if err == 0 {
		err = unix.ETIMEDOUT
	}
	c.finish(err)
}

func (c *Conn) orphanRetries() int {
	n := c.tun.OrphanRetries
	if n == 0 {
		n = 8
	}
	if c.softErr != 0 && c.tun.OrphanRetries == 0 {
		n = 0
	}
	return n
}

// retryTime is how long so many retransmissions take at the least time-out: tcp_retries2
// of 15 are 924.6 seconds.
func (c *Conn) retryTime(n int) int64 {
	lo, hi := c.rtoMin(), c.rtoMax()
	var sum int64
	for d := lo; n >= 0; n-- {
		sum += d
		d = min(d*2, hi)
	}
	return sum
}

// synTimeout sends the SYN or SYN-ACK again, or gives up.
func (c *Conn) synTimeout(now int64) {
	t := &c.timers
	most := c.tun.SynRetries
	if c.opt.SynRetries > 0 {
		most = c.opt.SynRetries
	}
	if c.passive {
		if c.opt.SynRetries == 0 {
			most = c.tun.SynAckRetries
		}
	} else if c.state == SynSent {
		most += c.tun.SynLinearTimeouts
	}
	if t.since == 0 {
		t.since = c.start
	}
	u := int64(c.opt.UserTimeout)
	if t.retries >= most || u > 0 && now-c.start >= u {
		if !c.passive {
			c.cfg.Counters.AbortOnTimeout.Add(1)
		}
		c.timeout()
		return
	}
	if t.retries == 0 {
		c.cfg.Counters.Timeouts.Add(1)
	}
	t.retries++
	if c.state != SynSent || t.retries > c.tun.SynLinearTimeouts {
		t.backoff++
	}
	if c.state == SynSent {
		c.sendSyn(now)
	} else {
		c.sendSynAck(now)
	}
	c.armRTO(now)
}

// armIdle starts the probes of a window that holds data back, if nothing is in
// flight whose time-out would do.
func (c *Conn) armIdle(now int64) {
	if c.nxt == c.una && c.nxt < c.limit() && c.timers.kind == timerNone && c.timers.pace == 0 {
		c.timers.probeSince = now
		c.armPersist(now)
	}
}

func (c *Conn) armPersist(now int64) {
	d := min(max(c.rtt.rto, c.rtoMin())<<min(c.timers.backoff, 20), c.rtoMax())
	if u := int64(c.opt.UserTimeout); u > 0 && c.timers.probes > 0 {
		d = max(min(d, c.timers.probeSince+u-now), 1e6)
	}
	c.timers.arm(timerPersist, now+d)
}

// persistFired probes the window (RFC 9293 section 3.8.6.1).
func (c *Conn) persistFired(now int64) {
	t := &c.timers
	if c.nxt != c.una || c.nxt >= c.limit() {
		return
	}
	most := c.tun.Retries2
	if c.orphan {
		most = c.orphanRetries()
	}
	u := int64(c.opt.UserTimeout)
	if t.probes >= most || u > 0 && t.probes > 0 && now-t.probeSince >= u {
		c.cfg.Counters.AbortOnTimeout.Add(1)
		c.timeout()
		return
	}
	if t.probes == 0 && t.backoff == 0 {
		t.probeSince = now
	}
	t.probes++
	if t.backoff < c.tun.Retries2 {
		t.backoff++
	}
	c.probeWindow(now)
	if c.nxt == c.una {
		c.armPersist(now)
	}
}

// probeWindow sends what little fits into the window, or an old sequence number
// that the peer must answer.
func (c *Conn) probeWindow(now int64) {
	c.cfg.Counters.WinProbe.Add(1)
	if n := min(c.una+c.sndWnd-c.nxt, int64(c.mss), c.end-c.nxt); n > 0 {
		c.transmit(now, n, false)
		return
	}
	if c.finQueued && c.nxt == c.end && c.sndWnd > 0 {
		c.transmit(now, 0, true)
		return
	}
	if c.up > c.una {
		c.emit(now, c.una, header.ACK, 0, 0, nil)
	}
	c.emit(now, c.una-1, header.ACK, 0, 0, nil)
}

func (c *Conn) keepIdle() int64 {
	if c.opt.KeepIdle > 0 {
		return int64(c.opt.KeepIdle)
	}
	return int64(c.tun.KeepIdle)
}

func (c *Conn) keepInterval() int64 {
	if c.opt.KeepInterval > 0 {
		return int64(c.opt.KeepInterval)
	}
	return int64(c.tun.KeepInterval)
}

// armKeepAlive starts or stops the probes of a silent peer (section 3.8.4).
func (c *Conn) armKeepAlive(now int64) {
	c.timers.keep = 0
	if c.opt.KeepAlive && c.state.synchronized() {
		c.timers.keep = max(c.lastRcv+c.keepIdle(), now+1)
	}
}

func (c *Conn) keepFired(now int64) {
	if !c.opt.KeepAlive {
		return
	}
	t := &c.timers
	if c.nxt > c.una || c.nxt < c.limit() {
		t.keep = now + c.keepIdle() // other timers find out
		return
	}
	idle := now - c.lastRcv
	if idle < c.keepIdle() {
		t.keep = c.lastRcv + c.keepIdle()
		return
	}
	most := c.tun.KeepProbes
	if c.opt.KeepProbes > 0 {
		most = c.opt.KeepProbes
	}
	u := int64(c.opt.UserTimeout)
	if u > 0 && idle >= u && t.keepProbes > 0 || u == 0 && t.keepProbes >= most {
		c.cfg.Counters.AbortOnTimeout.Add(1)
		c.sendReset(now)
		c.timeout()
		return
	}
	t.keepProbes++
	c.cfg.Counters.KeepAlive.Add(1)
	c.emit(now, c.una-1, header.ACK, 0, 0, nil)
	t.keep = now + c.keepInterval()
}
