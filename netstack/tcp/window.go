package tcp

// startWindow chooses the window and its scale that the SYN offers: the scale for
// the largest buffer that tuning may reach, the window for the one there is.
func (c *Conn) startWindow() {
	space := c.windowSpace()
	c.rcvScale = 0
	if c.tun.WindowScaling {
		most := int64(c.rcvBuf)
		if !c.cfg.RcvLocked {
			most = max(most, int64(c.tun.RMem[2]))
		}
		if c.clamp > 0 {
			most = min(most, c.clamp)
		}
		for most > 65535 && c.rcvScale < 14 {
			most >>= 1
			c.rcvScale++
		}
	}
	w := min(space, 65535)
	if c.tun.SignedWindows {
		w = min(space, 32767)
	}
	if m := int64(c.advMSS()); w > m {
		w -= w % m
	}
	c.rcvWnd = w
}

// fromSpace is how much window a buffer of n bytes makes: the rest is for what
// the kernel's own structures take (tcp_adv_win_scale).
func (c *Conn) fromSpace(n int) int64 {
	s := c.tun.AdvWinScale
	if s <= 0 {
		return int64(n >> min(-s, 31))
	}
	return int64(n - n>>min(s, 31))
}

// windowSpace is the largest window that the buffer allows.
func (c *Conn) windowSpace() int64 {
	w := c.fromSpace(c.rcvBuf)
	if c.clamp > 0 {
		w = min(w, c.clamp)
	}
	return w
}

// FullWindow is the largest window that the buffer allows, in bytes.
func (c *Conn) FullWindow() int { return int(c.windowSpace()) }

// window is what the peer may send still, by what it was told last.
func (c *Conn) window() int64 { return max(0, c.rcvWup+c.rcvWnd-c.rcvNxt) }

// freeWindow is the window that could be offered now, without silly ones
// (RFC 9293 section 3.8.6.2.2).
func (c *Conn) freeWindow() int64 {
	full := c.windowSpace()
	free := full - c.rcv.n
	mss := min(int64(c.rcvMSS), full)
	if free < full/2 && (free < full/16 || free < mss) {
		return 0
	}
	if free <= 0 {
		return 0
	}
	if c.pressed {
		// What was offered stands; a reader who has read all gets a little more.
		if free = c.window(); c.rcv.n == 0 {
			free = max(free, min(4*mss, full))
		}
	}
	if c.rcvScale > 0 {
		unit := int64(1) << c.rcvScale
		return min((free+unit-1)&^(unit-1), 65535<<c.rcvScale)
	}
	free = min(free, 65535)
	// Without a scale whole segments look best, and the edge moves by whole ones.
	if w := c.window(); w <= free-mss || w > free {
		return free - free%mss
	} else if mss == full && free > w+full/2 {
		return free
	} else {
		return w
	}
}

// chooseWindow returns the window that a segment advertises now, in bytes, and
// takes it for advertised. The right edge never moves back (section 3.8.6.2.1).
func (c *Conn) chooseWindow() int64 {
	cur, w := c.window(), c.freeWindow()
	if w < cur {
		unit := int64(1) << c.rcvScale
		w = (cur + unit - 1) &^ (unit - 1)
		if w == 0 || c.rcv.n > c.windowSpace() {
			c.cfg.Counters.WantZeroWindowAdv.Add(1)
		}
	}
	w = min(w, 65535<<c.rcvScale)
	switch was := c.rcvWnd; {
	case w == 0 && was != 0:
		c.cfg.Counters.ToZeroWindowAdv.Add(1)
	case w != 0 && was == 0:
		c.cfg.Counters.FromZeroWindowAdv.Add(1)
	}
	c.rcvWnd, c.rcvWup = w, c.rcvNxt
	return w
}

// windowGrew sends an acknowledgment after a read if it opens the window by
// enough to be worth a segment.
func (c *Conn) windowGrew(now int64) {
	if !c.state.mayReceive() {
		return
	}
	cur, due := c.window(), false
	if c.ack.pending > 0 {
		// What was read can be acknowledged at once if it is two segments, or all there is.
		due = c.rcvNxt-c.rcvWup > int64(c.rcvMSS) || c.ack.pending == pendingPushed && c.rcv.n == 0 && !c.ack.interactive
	}
	if !due && cur*2 <= c.windowSpace() {
		w := c.freeWindow()
		due = w > 0 && w >= 2*cur
	}
	if due {
		c.ack.now = true
		c.flushAck(now)
	}
}

// advMSS is the segment size that the SYN offers (RFC 9293 section 3.7.1).
func (c *Conn) advMSS() int {
	m := c.cfg.MTU - c.cfg.Overhead - 20
	if c.cfg.AdvMSS > 0 {
		m = c.cfg.AdvMSS
	}
	if c.cfg.UserMSS > 0 {
		m = min(m, c.cfg.UserMSS)
	}
	return max(min(m, 65535), c.tun.MinSndMSS)
}

// updateMSS computes what a full segment holds, from the path's MTU, the peer's
// and the user's wishes, and the options of every segment.
func (c *Conn) updateMSS() {
	m := c.mtu - c.cfg.Overhead - 20
	m = min(m, c.peerMSS)
	if c.cfg.UserMSS > 0 {
		m = min(m, c.cfg.UserMSS)
	}
	m = max(m, c.tun.MinSndMSS)
	if c.hasTS {
		m -= 12
	}
	// No segment more than half of the largest window, so that two of them fit.
	if c.maxWnd > 0 {
		half := c.maxWnd
		if half > 536 {
			half /= 2
		}
		m = min(m, int(max(half, 68-20)))
	}
	c.mss = max(m, 8)
	c.ctl.MSS = int64(c.mss)
	c.ctl.segment = c.mss
	// The least windows are in segments, which may have grown.
	c.ctl.SSThresh = max(c.ctl.SSThresh, 2*c.ctl.MSS)
	c.ctl.Cwnd = max(c.ctl.Cwnd, c.ctl.MSS)
}
