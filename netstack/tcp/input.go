package tcp

import (
	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Input processes a segment that arrived (RFC 9293 section 3.10.7). It takes over
// the references of its data.
func (c *Conn) Input(now int64, s *Segment) {
	now = c.tick(now)
	c.cfg.Counters.InSegs.Add(1)
	c.stats.SegsIn += uint32(max(1, s.Merged))
	if s.Len > 0 {
		c.stats.DataIn += uint32(max(1, s.Merged))
	}
	switch c.state {
	case Closed, Listening, TimeWaiting:
	case SynSent:
		c.inputSynSent(now, s)
	default:
		c.inputOther(now, s)
	}
	s.drop()
	c.push(now)
}

// inputOther is what holds in all states from SYN-RECEIVED on: sections 3.10.7.4
// and those that update it (RFC 5961, RFC 7323).
func (c *Conn) inputOther(now int64, s *Segment) {
	s.seq = expand(c.rcvNxt, s.Seq)
	s.ack = expand(c.una, s.Ack)
	s.end = s.seq + s.span()
	rst := s.Flags&header.RST != 0
	// First: time stamps (RFC 7323 section 5.3, R1) and the sequence number.
	if c.hasTS && s.Opt.HasTS && !rst && c.isOld(now, s) {
		c.cfg.Counters.PAWSEstab.Add(1)
		c.unacceptable(now, s)
		return
	}
	if !c.acceptable(s) {
		switch {
		case rst:
		case s.Flags&header.SYN != 0:
			c.synInWindow(now, s)
		default:
			c.unacceptable(now, s)
		}
		return
	}
	// Second: RST.
	if rst {
		c.inputReset(now, s)
		return
	}
	// Fourth: SYN.
	if s.Flags&header.SYN != 0 {
		c.synInWindow(now, s)
		return
	}
	// Fifth: ACK.
	if s.Flags&header.ACK == 0 {
		return
	}
	c.lastRcv = now
	c.timers.keepProbes = 0
	if c.state == SynReceived {
		if s.ack <= c.una || s.ack > c.nxt {
			c.resetFor(now, s)
			return
		}
		c.established(now, s)
	}
	if !c.inputAck(now, s) || c.state == Closed {
		return
	}
	// Sixth, seventh, eighth: URG, the data, FIN.
	if c.state.mayReceive() || c.state == CloseWait || c.state == Closing || c.state == LastAck {
		c.inputData(now, s)
	}
}

// isOld reports whether the time stamp is from before what is known: then the
// segment is an old duplicate.
func (c *Conn) isOld(now int64, s *Segment) bool {
	return int32(s.Opt.TSVal-c.tsRecent) < 0 && now-c.tsRecentAt < int64(pawsIdle)
}

// acceptable is the test of section 3.10.7.4, as wide as Linux has it: a segment
// that touches what was offered since the last window update, so that its
// acknowledgment counts even if its data do not.
func (c *Conn) acceptable(s *Segment) bool {
	return s.end >= c.rcvWup && s.seq <= c.rcvNxt+c.window()
}

// unacceptable answers a segment that is not acceptable with an acknowledgment,
// not too often (section 3.10.7.4; the bound is tcp_invalid_ratelimit).
func (c *Conn) unacceptable(now int64, s *Segment) {
	if s.Len > 0 && s.seq < c.rcvNxt {
		// What lies beyond was dropped, not received twice.
		c.duplicate(s.seq, min(s.end, c.rcvNxt))
	}
	if s.Len == 0 && s.Flags&(header.SYN|header.FIN) == 0 || s.Flags&header.SYN != 0 {
		if c.lastInvalid != 0 && now-c.lastInvalid < int64(c.tun.InvalidRateLimit) {
			c.cfg.Counters.ACKSkipped.Add(1)
			return
		}
		c.lastInvalid = now
	}
	c.sendAck(now)
}

// challenge answers a RST, SYN or ACK that might be forged (RFC 5961).
func (c *Conn) challenge(now int64) {
	if c.lastInvalid != 0 && now-c.lastInvalid < int64(c.tun.InvalidRateLimit) {
		c.cfg.Counters.ACKSkipped.Add(1)
		return
	}
	if !c.cfg.Limit.allow(now, c.tun.ChallengeACKLimit) {
		return
	}
	c.lastInvalid = now
	c.cfg.Counters.ChallengeACK.Add(1)
	c.sendAck(now)
}

// inputReset is RFC 5961 section 3.2: only a RST that hits the next sequence
// number exactly ends the connection.
func (c *Conn) inputReset(now int64, s *Segment) {
	exact := s.seq == c.rcvNxt
	if !exact && c.hasSACK {
		// A peer that lost its state answers with the ACK field of what we sent:
		// the right edge of what we reported (Linux).
		if n := len(c.ooo.ranges); n > 0 && s.seq == c.ooo.ranges[n-1].end {
			exact = true
		}
	}
	if !exact {
		c.challenge(now)
		return
	}
	switch c.state {
	case SynReceived:
		if c.passive {
			c.cfg.Counters.EmbryonicRsts.Add(1)
		}
		c.finish(unix.ECONNREFUSED)
	case CloseWait:
		c.finish(unix.EPIPE)
	case LastAck, Closing:
		c.finish(0)
	default:
		c.finish(unix.ECONNRESET)
	}
}

// synInWindow is RFC 5961 section 4.2: a SYN where there should be none is
// answered by an acknowledgment, wherever it lies.
func (c *Conn) synInWindow(now int64, s *Segment) {
	if c.state == SynReceived && s.seq == c.irs && s.Flags&header.RST == 0 {
		if s.Flags&header.ACK != 0 && !c.passive && s.ack == c.nxt {
			// Of a simultaneous open, the peer's SYN-ACK: its acknowledgment counts.
			c.lastRcv = now
			c.established(now, s)
			c.inputAck(now, s)
			c.ack.now = true
			return
		}
		// The peer did not get our SYN-ACK (RFC 9293 section 3.8.1).
		if now-c.lastInvalid >= int64(c.tun.InvalidRateLimit) || c.lastInvalid == 0 {
			c.lastInvalid = now
			c.noteTS(now, s)
			c.sendSynAck(now)
		}
		return
	}
	c.cfg.Counters.SYNChallenge.Add(1)
	c.challenge(now)
}

// resetFor answers a segment whose acknowledgment is not ours, in SYN-SENT and
// SYN-RECEIVED.
func (c *Conn) resetFor(now int64, s *Segment) {
	if s.Flags&header.RST != 0 {
		return
	}
	c.emit(now, expand(c.una, s.Ack), header.RST, 0, 0, &header.TCPOptions{})
}

// noteTS remembers the peer's time stamp for the echo (RFC 7323 section 4.3, R2).
func (c *Conn) noteTS(now int64, s *Segment) {
	if c.hasTS && s.Opt.HasTS && s.seq <= c.lastAckSent && int32(s.Opt.TSVal-c.tsRecent) >= 0 {
		c.tsRecent, c.tsRecentAt = s.Opt.TSVal, now
	} else if c.hasTS && s.Opt.HasTS && s.seq <= c.lastAckSent && now-c.tsRecentAt >= int64(pawsIdle) {
		c.tsRecent, c.tsRecentAt = s.Opt.TSVal, now
	}
}
