package tcp

// drs tunes the receive buffer to what the application reads in a round trip
// (dynamic right-sizing, Fisk and Feng 2001; tcp_moderate_rcvbuf).
type drs struct {
	space int64 // bytes read in the best round so far
	seq   int64 // what was read when this round began
	at    int64
	rtt   int64 // as the receiver sees it, ns
	// Without time stamps: how long it takes to receive a window.
	edge, edgeAt int64
}

func (d *drs) init(c *Conn, now int64) {
	d.space = min(c.rcvWnd, 10*int64(c.advMSS()))
	d.seq, d.at = c.copied(), now
	d.edge, d.edgeAt = c.rcvNxt+c.rcvWnd, now
	d.rtt = c.rtt.srtt
}

// received measures the round trip by data that came.
func (d *drs) received(c *Conn, now int64, s *Segment) {
	if c.hasTS && s.Opt.HasTS && s.Opt.TSEcr != 0 {
		if s.Len >= c.rcvMSS {
			if ms := int64(int32(c.clock(now) - s.Opt.TSEcr)); ms >= 0 && ms < 60000 {
				d.sample(max(ms*1e6, 5e5))
			}
		}
		return
	}
	if c.rcvNxt >= d.edge {
		if now > d.edgeAt {
			d.sample(now - d.edgeAt)
		}
		d.edge, d.edgeAt = c.rcvNxt+c.rcvWnd, now
	}
}

// sample keeps what is near the least: more may be the sender's pause.
func (d *drs) sample(m int64) {
	if d.rtt == 0 || m < d.rtt {
		d.rtt = m
	} else {
		d.rtt += (m - d.rtt) / 8
	}
}

// read is called when n bytes were read.
func (d *drs) read(c *Conn, now, n int64) {
	if d.rtt == 0 || now-d.at < d.rtt {
		return
	}
	copied := c.copied() - d.seq
	d.seq, d.at = c.copied(), now
	if copied <= d.space {
		return
	}
	if c.tun.ModerateRcvBuf && !c.cfg.RcvLocked && !c.pressed {
		// Twice what was read, for the sender may double its window, and more if it
		// grew that fast lately.
		w := 2*copied + 16*int64(c.advMSS())
		w += 2 * w * (copied - d.space) / max(d.space, 1)
		size := w
		for s := c.fromSpace(1 << 20); s > 0 && c.fromSpace(int(min(size, 1<<40))) < w && size < 1<<40; {
			size *= 2
		}
		if size = min(size, int64(c.tun.RMem[2])); size > int64(c.rcvBuf) {
			c.rcvBuf = int(size)
		}
	}
	d.space = copied
}

// expandSndBuf lets the send buffer hold two windows of congestion, up to
// tcp_wmem's limit.
func (c *Conn) expandSndBuf() {
	if c.cfg.SndLocked || c.pressed {
		return
	}
	// What a segment takes in Linux's memory: a power of two of its bytes and
	// headers, and the structure that describes it.
	per := int64(1)
	for n := int64(max(c.mss, c.peerMSS)) + 2*320; per < n; {
		per *= 2
	}
	per += 256
	segs := max(10, c.ctl.Cwnd/max(c.ctl.MSS, 1), int64(c.rec.reordering+1))
	if n := min(2*segs*per, int64(c.tun.WMem[2])); n > int64(c.sndBuf) {
		c.sndBuf = int(n)
	}
}

// Memory is how many bytes wait in the connection's queues.
func (c *Conn) Memory() int64 { return int64(c.Queued()) + c.rcv.n + c.ooo.bytes }

// Press says that memory is short, or no more (tcp_mem): then nothing is kept that
// came out of order, the window does not grow, and buffers are not tuned.
func (c *Conn) Press(on bool) { c.pressed = on }

// SetBuffers sets sizes that the user chose; 0 leaves one as it is.
func (c *Conn) SetBuffers(now int64, snd, rcv int) {
	now = c.tick(now)
	if snd > 0 {
		c.sndBuf, c.cfg.SndLocked = snd, true
	}
	if rcv > 0 {
		c.rcvBuf, c.cfg.RcvLocked = rcv, true
		if c.state.synchronized() {
			c.windowGrew(now)
		}
	}
}

// SetClamp is TCP_WINDOW_CLAMP.
func (c *Conn) SetClamp(n int) { c.clamp = int64(n) }

// Buffers returns the sizes.
func (c *Conn) Buffers() (snd, rcv int) { return c.sndBuf, c.rcvBuf }
