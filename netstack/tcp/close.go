package tcp

import (
	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// Space is how many bytes Write would take.
func (c *Conn) Space() int { return max(0, c.sndBuf-c.Queued()) }

// Queued is the bytes that were written and not acknowledged.
func (c *Conn) Queued() int { return int(c.end - c.data.base) }

// NotSent is the bytes that were written and never sent.
func (c *Conn) NotSent() int { return int(max(0, c.end-max(c.nxt, c.iss+1))) }

// Write queues data, taking over the views, and sends what may be sent. more is
// MSG_MORE; oob makes the last byte urgent.
func (c *Conn) Write(now int64, vs []buffer.View, more, oob bool) {
	now = c.tick(now)
	if c.finQueued || c.state == Closed {
		release(vs)
		return
	}
	for _, v := range vs {
		if v.Len() == 0 {
			v.Release()
			continue
		}
		c.end += int64(v.Len())
		c.data.push(v)
	}
	c.more = more
	if oob {
		c.up = c.end
	}
	c.push(now)
}

// CanWrite reports whether data may still be queued.
func (c *Conn) CanWrite() bool { return !c.finQueued && c.state != Closed && c.state != TimeWaiting }

// CloseWrite queues the FIN: shutdown(SHUT_WR).
func (c *Conn) CloseWrite(now int64) {
	now = c.tick(now)
	if c.finQueued {
		return
	}
	switch c.state {
	case SynSent, Closed, Listening, TimeWaiting:
		return
	case Established:
		c.state = FinWait1
	case CloseWait:
		c.state = LastAck
	}
	c.finQueued, c.more = true, false
	c.push(now)
}

// CloseRead has what the peer sends after a FIN of ours be refused.
func (c *Conn) CloseRead() { c.readShut = true }

// Close gives the connection up in order: what was written is still delivered. If
// there is data that was not read, it is reset, for it was lost (RFC 9293 section
// 3.6.1, RFC 1122 section 4.2.2.13).
func (c *Conn) Close(now int64) {
	now = c.tick(now)
	c.orphan, c.readShut = true, true
	switch {
	case c.state == Closed || c.state == TimeWaiting:
		return
	case c.state == SynSent:
		c.finish(0)
		return
	case c.rcv.n > 0:
		c.cfg.Counters.AbortOnClose.Add(1)
		c.rcv.drop()
		c.sendReset(now)
		c.finish(unix.ECONNRESET)
		return
	}
	c.timers.keep = 0
	if c.opt.KeepAlive {
		c.armKeepAlive(now)
	}
	if c.state == FinWait2 {
		c.enterFinWait2(now)
		return
	}
	c.CloseWrite(now)
}

// Abort resets the connection with err.
func (c *Conn) Abort(now int64, err unix.Errno) {
	now = c.tick(now)
	switch c.state {
	case Established, CloseWait, FinWait1, FinWait2, SynReceived:
		c.sendReset(now)
	}
	c.finish(err)
}

// enterFinWait2 waits for the peer's FIN: for ever if somebody reads, else not for
// long.
func (c *Conn) enterFinWait2(now int64) {
	if !c.orphan {
		return
	}
	d := int64(c.tun.FinTimeout)
	switch l := int64(c.opt.Linger2); {
	case l < 0:
		c.cfg.Counters.AbortOnLinger.Add(1)
		c.sendReset(now)
		c.finish(0)
		return
	case l > 0:
		d = l
	}
	c.timers.life = now + d
}

// enterTimeWait ends the connection but for its number space. The caller takes a
// TimeWait, which stands in for it.
func (c *Conn) enterTimeWait(now int64) {
	c.state = TimeWaiting
	c.timers = timers{}
	c.data.drop()
	c.board.drop()
	c.events |= EventTimeWait
}

// ICMP is what an error message says of this connection (RFC 5927: it must quote a
// sequence number that is in flight). hard errors end a connection that is being
// opened (RFC 1122 section 4.2.3.9; Linux has them as soft ones afterwards).
func (c *Conn) ICMP(now int64, err unix.Errno, seq uint32) {
	q := expand(c.una, seq)
	if q < c.una || q > c.nxt {
		return
	}
	switch c.state {
	case SynSent:
		c.finish(err)
	case SynReceived:
		if c.passive {
			c.finish(err)
		}
	case Closed, TimeWaiting:
	default:
		c.softErr = err
		c.events |= EventSoftError
	}
}

// Path tells of the path's MTU, and what packets larger than it may be given. seq
// is what a message about a packet that was too large quotes; it is not looked at
// if quoted is false.
func (c *Conn) Path(now int64, mtu, maxGSO int, quoted bool, seq uint32) {
	now = c.tick(now)
	if quoted {
		if q := expand(c.una, seq); q < c.una || q > c.nxt {
			return
		}
	}
	c.cfg.MaxGSO = maxGSO
	if mtu == c.mtu {
		return
	}
	old := c.mss
	c.mtu = mtu
	c.updateMSS()
	if c.mss >= old || !c.state.synchronized() {
		return
	}
	// What is in flight was dropped for its size: send it again at once, which is no
	// sign of congestion (RFC 1191 section 6.5).
	if c.rec.state < caLoss {
		b := &c.board
		for i := range b.len() {
			if r := b.at(i); r.end-r.start > int64(c.mss) && r.flags&recSacked == 0 {
				c.lose(r, nil)
			}
		}
		if b.lost > b.retrans {
			if c.rec.state < caRecovery {
				c.rec.highSeq = c.nxt
				c.ctl.SSThresh = max(min(c.ctl.SSThresh, c.ctl.Cwnd), 2*c.ctl.MSS)
				c.rec.priorSSThresh, c.rec.undoMarker = 0, 0
				c.rec.state = caLoss
				c.rec.frto = false
			}
		}
	}
	c.push(now)
}

// MTU returns the path's MTU as the connection knows it.
func (c *Conn) MTU() int { return c.mtu }
