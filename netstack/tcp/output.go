package tcp

import "hull/netstack/header"

// push sends what may leave now: what was lost, then new data, then an
// acknowledgment if none of them took it along.
func (c *Conn) push(now int64) {
	if c.state.maySend() || c.state == SynReceived && c.fo.accepted {
		if !c.rec.frtoNew {
			c.sendLost(now)
		}
		c.sendNew(now)
		c.rec.frtoNew = false
		c.armIdle(now)
	}
	c.ackCheck(now)
	c.flushAck(now)
}

// limit is the end of what was queued, a FIN included.
func (c *Conn) limit() int64 {
	if c.finQueued {
		return c.end + 1
	}
	return c.end
}

// hasNewData reports whether something that was never sent fits into the window.
func (c *Conn) hasNewData() bool { return c.nxt < c.limit() && c.canSendNow() }

// canSendNow reports whether the next segment fits into the peer's window.
func (c *Conn) canSendNow() bool {
	n := min(c.limit()-c.nxt, c.ctl.MSS)
	return n > 0 && c.nxt+n <= c.una+c.sndWnd
}

// segmentSize is what a segment holds that is sent now, and packetSize what a
// packet does, which may be cut to segments later.
func (c *Conn) segmentSize() int64 {
	n := int64(c.mss)
	if k := c.sackCount(); k > 0 {
		n -= int64(4 + 8*k)
	}
	c.ctl.segment = int(n)
	return n
}

func (c *Conn) packetSize(mss int64) int64 {
	most := int64(c.cfg.MaxGSO)
	if most < 2*mss {
		return mss
	}
	if rate := c.pacingRate(); rate > 0 {
		// A millisecond's worth, so that a paced flow stays smooth.
		most = min(most, max(rate>>10, int64(c.tun.MinTSOSegs)*mss))
	}
	return max(most-most%mss, mss)
}

// sendNew sends what was never sent, as far as both windows, Nagle's algorithm and
// the pace allow.
func (c *Conn) sendNew(now int64) {
	limit := c.limit()
	if c.nxt >= limit {
		return
	}
	if c.nxt == c.una {
		c.restartIdle(now)
	}
	mss := c.segmentSize()
	most := c.packetSize(mss)
	limited, sent := false, false
	for c.nxt < limit {
		n, why := c.nextSize(mss, most)
		if why == heldCwnd {
			limited = true
		}
		if why != heldNot {
			break
		}
		if c.paceWait(now) {
			break
		}
		left := c.end - c.nxt
		fin := c.finQueued && n == left && c.nxt+n+1 <= c.una+max(c.sndWnd, 1)
		if n <= 0 && !fin {
			break
		}
		c.transmit(now, max(n, 0), fin)
		sent = true
		if p := c.probe.due(c, now); p > 0 {
			c.transmitProbe(now, p)
		}
	}
	c.noteLimited(limited)
	if sent {
		c.armLossProbe(now)
	} else if c.end > c.nxt && !limited {
		c.rate.appLimited(c)
	}
	if c.nxt == c.end {
		c.rate.appLimited(c)
	}
}

// Why the next segment is held back.
type held uint8

const (
	heldNot held = iota
	heldWindow
	heldCwnd
	heldNagle
)

// nextSize returns how many bytes the next packet takes.
func (c *Conn) nextSize(mss, most int64) (int64, held) {
	left := c.end - c.nxt // 0 or less: only the FIN is left
	wnd := c.una + c.sndWnd - c.nxt
	n := min(left, most)
	// The peer's window: a whole segment, or all there is (RFC 9293 section
	// 3.8.6.2.1), or half of the largest window it ever offered.
	want := min(left, mss)
	if c.finQueued && left <= mss {
		want++
	}
	if wnd < want {
		if wnd <= 0 || wnd < min(left, mss) && wnd*2 < c.maxWnd {
			return 0, heldWindow
		}
		if wnd < left {
			n = min(n, wnd)
		}
	} else if n > wnd {
		n = wnd - wnd%mss
	}
	quota := c.ctl.Cwnd - c.inflight()
	if quota < min(mss, max(n, 1)) {
		return 0, heldCwnd
	}
	if n > quota {
		n = quota - quota%mss
		// A packet as large as possible costs as much as a small one: wait for a
		// third of the window to gather (tcp_tso_win_divisor).
		if most > mss && c.rec.state == caOpen && n < most && n < c.ctl.Cwnd/3 && c.nxt > c.una {
			return 0, heldCwnd
		}
	}
	if small := n % mss; small != 0 && n == left && !c.finQueued && c.nagle(small) {
		if n -= small; n == 0 {
			return 0, heldNagle
		}
	}
	return n, heldNot
}

// nagle reports whether a segment that is not full has to wait (RFC 9293 section
// 3.7.4, in Minshall's variant: only for one that is not full itself).
func (c *Conn) nagle(n int64) bool {
	switch {
	case c.up > c.una && c.up > c.nxt: // urgent
		return false
	case c.opt.Cork || c.more:
		return true
	case c.opt.NoDelay:
		return false
	}
	return c.nxt > c.una && c.sml > c.una && c.sml <= c.nxt
}

// transmit sends the next n bytes, and the FIN.
func (c *Conn) transmit(now, n int64, fin bool) {
	start := c.nxt
	r := record{start: start, end: start + n, sentAt: now}
	flags := header.ACK
	if fin {
		flags |= header.FIN
		r.end++
	}
	if start+n == c.end && n > 0 || start+n-c.pushed > c.maxWnd/2 {
		flags |= header.PSH
		c.pushed = start + n
	}
	c.rate.sent(c, now, &r)
	c.emit(now, start, flags, start, start+n, nil)
	if n > 0 && n%int64(c.ctl.segment) != 0 {
		c.sml = r.end
	}
	c.nxt = r.end
	c.board.push(r)
	c.rec.prrOut += n
	c.cfg.Counters.OrigDataSent.Add(1)
	c.paced(now, n)
	c.lastSent = now
	if n > 0 && c.ack.last != 0 && now-c.ack.last < c.ack.ato {
		c.ack.replies++ // we answer what just came
		c.ack.interactive = c.ack.interactive || c.ack.replies >= c.tun.PingPongThresh
	}
	if c.timers.kind == timerPersist || c.timers.kind == timerNone {
		c.armRTO(now)
	}
}

// noteLimited keeps whether the window of congestion was what held data back in
// the last round trip: only then may it grow (RFC 7661, as Linux does).
func (c *Conn) noteLimited(limited bool) {
	k := &c.ctl
	out := c.nxt - c.una
	if c.una >= k.usageSeq || limited || !k.limited && out > k.maxOut {
		k.limited, k.maxOut, k.usageSeq = limited, out, c.nxt
	}
}

// restartIdle shrinks the window after a pause, for what was known of the path is
// old (RFC 5681 section 4.1, RFC 2861).
func (c *Conn) restartIdle(now int64) {
	idle := now - c.lastSent
	if !c.tun.SlowStartAfterIdle || c.ownsWindow() || idle <= c.rtt.rto || c.state == SynReceived {
		if idle > c.rtt.rto {
			c.cc.Idle(&c.ctl, now)
		}
		return
	}
	restart := min(c.ctl.Cwnd, 10*c.ctl.MSS)
	w := c.ctl.Cwnd
	c.ctl.SSThresh = max(c.ctl.SSThresh, w*3/4)
	if c.ctl.SSThresh > infiniteThresh {
		c.ctl.SSThresh = infiniteThresh
	}
	for idle > c.rtt.rto && w > restart {
		w /= 2
		idle -= c.rtt.rto
	}
	c.ctl.Cwnd = max(w, restart)
	c.cc.Idle(&c.ctl, now)
}

// sendLost sends again what was lost, in order (RFC 6675 section 4, NextSeg).
func (c *Conn) sendLost(now int64) {
	b := &c.board
	if b.lost == 0 || b.lost == b.retrans {
		return
	}
	mss := c.segmentSize()
	most := c.packetSize(mss)
	for i := b.find(b.next); i < b.len(); i++ {
		r := b.at(i)
		if r.flags&(recLost|recRetrans) != recLost {
			continue
		}
		b.next = r.start
		quota := c.ctl.Cwnd - c.inflight()
		if quota < min(mss, r.end-r.start) {
			return
		}
		if r.start >= c.una+c.sndWnd && r.start != c.una {
			return // the peer took its window back
		}
		if c.paceWait(now) {
			return
		}
		c.fit(i, min(most, max(quota-quota%mss, mss)))
		c.retransmit(now, i)
	}
	b.next = c.nxt
}

// fit cuts record i to at most n bytes.
func (c *Conn) fit(i int, n int64) {
	r := c.board.at(i)
	if r.end-r.start > n && !(r.end-r.start == n+1 && r.end > c.end) {
		c.board.split(i, r.start+n)
	}
}

// retransmit sends record i again.
func (c *Conn) retransmit(now int64, i int) {
	b := &c.board
	r := b.at(i)
	from, to := r.start, min(r.end, c.end)
	flags := header.ACK
	if r.end > c.end {
		flags |= header.FIN
	}
	if to == c.end {
		flags |= header.PSH
	}
	n := r.end - r.start
	segs := uint64((n + c.ctl.MSS - 1) / c.ctl.MSS)
	c.emit(now, r.start, flags, from, to, nil)
	r = b.at(i)
	r.sentAt = now
	r.tries++
	b.set(r, recRetrans|recEver, 0)
	c.rate.sent(c, now, r)
	if c.rec.undoRetrans < 0 {
		c.rec.undoRetrans = 0
	}
	c.rec.undoRetrans += n
	if !c.rec.stamped {
		c.rec.stamped, c.rec.stamp, c.rec.stampAt = true, c.clock(now), now
	}
	c.rec.prrOut += n
	c.stats.Retrans += uint32(segs)
	c.stats.BytesRetrans += uint64(n)
	c.cfg.Counters.RetransSegs.Add(segs)
	switch c.rec.state {
	case caLoss:
		c.cfg.Counters.SlowStartRetrans.Add(segs)
	case caRecovery:
		c.cfg.Counters.FastRetrans.Add(segs)
	}
	c.paced(now, n)
	c.lastSent = now
	if i == 0 && c.timers.kind != timerReorder {
		c.armRTO(now)
	}
}
