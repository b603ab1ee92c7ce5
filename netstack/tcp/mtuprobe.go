package tcp

// mtuProbe finds the path's MTU without ICMP (RFC 4821): it goes down when large
// packets seem to vanish, and up again by probes.
type mtuProbe struct {
	enabled   bool
	low, high int   // MTUs that are known to pass, and not to
	size      int   // MTU of the probe in flight; 0: none
	from, to  int64 // its sequence numbers
	last      int64 // when the search ended
}

func (p *mtuProbe) init(c *Conn, now int64) {
	p.enabled = c.tun.MTUProbing > 1
	p.high = min(c.mtu, c.peerMSS+c.cfg.Overhead+20)
	p.low = min(c.tun.BaseMSS+c.cfg.Overhead+20, p.high)
	if p.enabled {
		c.mtu = p.low
		c.updateMSS()
	}
}

func (p *mtuProbe) inflight() bool { return p.size != 0 }

// timedOut takes repeated time-outs for a black hole: halve what a segment holds
// (section 7.7).
func (p *mtuProbe) timedOut(c *Conn, now int64) {
	if c.tun.MTUProbing == 0 || c.timers.retries < c.tun.Retries1 {
		return
	}
	if !p.enabled {
		p.enabled, p.last = true, now
	} else {
		mss := (p.low - c.cfg.Overhead - 20) / 2
		mss = max(min(mss, c.tun.BaseMSS), c.tun.MTUProbeFloor, c.tun.MinSndMSS)
		p.low = mss + c.cfg.Overhead + 20
	}
	if p.low < c.mtu {
		c.mtu = p.low
		c.updateMSS()
	}
	p.size = 0
}

// due returns how many bytes a probe that is sent now holds; 0 if none is due. It
// takes a quiet connection with enough to send: a lost probe must be found by
// duplicates, and must not hurt (section 7.1 to 7.3).
func (p *mtuProbe) due(c *Conn, now int64) int64 {
	if !p.enabled || p.size != 0 || c.rec.state != caOpen || c.board.sacked > 0 || c.ctl.Cwnd < 11*c.ctl.MSS {
		return 0
	}
	if p.high-p.low < c.tun.ProbeThreshold {
		if p.last == 0 {
			p.last = now
		}
		if now-p.last < int64(c.tun.ProbeInterval) {
			return 0
		}
		p.high = min(c.cfg.MTU, c.peerMSS+c.cfg.Overhead+20)
		p.last = 0
		if p.high-p.low < c.tun.ProbeThreshold {
			return 0
		}
	}
	size := (p.low + p.high + 1) / 2
	n := int64(size - (c.mtu - c.mss))
	need := n + int64(c.rec.reordering+1)*c.ctl.MSS
	if n <= c.ctl.MSS || c.end-c.nxt < need || c.nxt+need > c.una+c.sndWnd || c.inflight()+n > c.ctl.Cwnd {
		return 0
	}
	p.size = size
	return n
}

// transmitProbe sends n bytes in one segment larger than the others.
func (c *Conn) transmitProbe(now, n int64) {
	p := &c.probe
	p.from, p.to = c.nxt, c.nxt+n
	was := c.ctl.segment
	c.ctl.segment = int(n)
	c.transmit(now, n, false)
	c.ctl.segment = was
}

// acked ends a probe when it was acknowledged or lost. A loss is no sign of
// congestion, so the window is kept.
func (p *mtuProbe) acked(c *Conn, now int64) {
	if p.size == 0 {
		return
	}
	if c.una >= p.to {
		c.cfg.Counters.MTUPSuccess.Add(1)
		p.low, p.size = p.size, 0
		c.mtu = p.low
		c.updateMSS()
		return
	}
	i := c.board.find(p.from)
	if i >= c.board.len() {
		return
	}
	if r := c.board.at(i); r.start <= p.from && r.flags&(recLost|recRetrans|recEver) != 0 {
		c.cfg.Counters.MTUPFail.Add(1)
		p.high, p.size = p.size-1, 0
		if c.rec.state == caRecovery && c.rec.priorSSThresh > 0 {
			c.ctl.Cwnd = max(c.ctl.Cwnd, c.rec.priorCwnd)
			c.ctl.SSThresh = c.rec.priorSSThresh
		}
	}
}
