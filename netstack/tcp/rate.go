package tcp

// Rate is a measured rate of delivery.
type Rate struct {
	Delivered int64 // bytes in Interval; 0: nothing was measured
	Interval  int64 // ns
	Prior     int64 // bytes that had been delivered when the segment left
	Total     int64 // bytes delivered by now
	Lost      int64 // bytes lost since the segment left
	Limited   bool  // the application had no more to send
	Retrans   bool
}

// PerSecond is the rate in bytes a second.
func (r *Rate) PerSecond() int64 {
	if r.Interval <= 0 || r.Delivered <= 0 {
		return 0
	}
	return int64(float64(r.Delivered) * 1e9 / float64(r.Interval))
}

// rate measures how fast data are delivered (draft-cheng-iccrg-delivery-rate-
// estimation): between the sending of a segment and its acknowledgment.
type rate struct {
	total       int64
	deliveredAt int64
	firstSent   int64
	limitedTo   int64 // total+inflight when the application ran dry; 0: it did not
	lost        int64
	last        Rate
	best        Rate // what TCP_INFO shows
}

// rateState is what a record remembers of its sending.
type rateState struct {
	total, at, firstSent int64
	lost                 int64
}

// rateSample is the record that the sample is of.
type rateSample struct {
	rateState
	sentAt  int64
	ok      bool
	limited bool
	retrans bool
}

func (t *rate) init(now int64) { t.deliveredAt, t.firstSent = now, now }

// sent notes in a record what was delivered when it left.
func (t *rate) sent(c *Conn, now int64, r *record) {
	if c.nxt == c.una || c.board.len() == 0 {
		t.firstSent, t.deliveredAt = now, now
	}
	r.rs = rateState{t.total, t.deliveredAt, t.firstSent, t.lost}
	r.flags &^= recLimited
	if t.limitedTo != 0 {
		r.flags |= recLimited
	}
}

// delivered takes in a record that arrived: the one that left last counts.
func (t *rate) delivered(now int64, r *record, p *rateSample) {
	if r.rs.at == 0 {
		return
	}
	if !p.ok || r.rs.total > p.total || r.rs.total == p.total && r.sentAt >= p.sentAt {
		*p = rateSample{rateState: r.rs, sentAt: r.sentAt, ok: true,
			limited: r.flags&recLimited != 0, retrans: r.flags&recEver != 0}
	}
}

// appLimited notes that there was nothing more to send.
func (t *rate) appLimited(c *Conn) {
	if c.board.lost <= c.board.retrans && c.inflight() < c.ctl.Cwnd {
		t.limitedTo = max(t.total+c.inflight(), 1)
	}
}

// finish makes a sample of what the acknowledgment delivered.
func (t *rate) finish(c *Conn, now int64, sm *sample) {
	t.total += sm.delivered
	if sm.delivered > 0 {
		t.deliveredAt = now
	}
	if t.limitedTo != 0 && t.total > t.limitedTo {
		t.limitedTo = 0
	}
	p := &sm.prior
	t.last = Rate{Total: t.total}
	if !p.ok {
		return
	}
	t.firstSent = p.sentAt
	interval := max(p.sentAt-p.firstSent, now-p.at)
	t.last = Rate{Delivered: t.total - p.total, Interval: interval, Prior: p.total, Total: t.total,
		Lost: t.lost - p.lost, Limited: p.limited, Retrans: p.retrans}
	if interval < c.rtt.min.value {
		// Sent or acknowledged in less than a round trip: it says nothing.
		t.last.Interval = 0
		return
	}
	if !p.limited || t.last.PerSecond() >= t.best.PerSecond() {
		t.best = t.last
	}
}

// pacingRate is the rate at which packets may leave, or 0: as fast as they can.
func (c *Conn) pacingRate() int64 {
	r := c.ctl.PacingRate
	if m := c.opt.MaxPacing; m > 0 {
		if r == 0 {
			r = c.windowRate()
		}
		if r == 0 || r > m {
			r = m
		}
	}
	return r
}

// windowRate is the rate that fills the window within a round trip, and some more
// so that it is not what limits it.
func (c *Conn) windowRate() int64 {
	if c.rtt.srtt == 0 {
		return 0
	}
	ratio := int64(c.tun.PacingCARatio)
	if c.ctl.Cwnd < c.ctl.SSThresh/2 {
		ratio = int64(c.tun.PacingSSRatio)
	}
	w := max(c.ctl.Cwnd, c.nxt-c.una)
	return int64(float64(w) * float64(ratio) / 100 * 1e9 / float64(c.rtt.srtt))
}

// paceWait reports whether it is too early for another packet, and sets the timer.
func (c *Conn) paceWait(now int64) bool {
	if c.pace.at <= now || c.pacingRate() == 0 {
		return false
	}
	c.timers.pace = c.pace.at
	return true
}

// paced accounts for n bytes that left.
func (c *Conn) paced(now, n int64) {
	if r := c.pacingRate(); r > 0 {
		c.pace.at = max(c.pace.at, now) + int64(float64(n)*1e9/float64(r))
	}
}

// updatePacing notes what TCP_INFO shows.
func (c *Conn) updatePacing() {
	if c.pace.rate = c.pacingRate(); c.pace.rate == 0 {
		c.pace.rate = c.windowRate()
	}
}

// pacing is when the next packet may leave.
type pacing struct{ at, rate int64 }
