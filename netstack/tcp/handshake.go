package tcp

import (
	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Accept makes a connection in SYN-RECEIVED from a SYN that a listener got. Start
// is not called on it: the SYN-ACK is ready to be taken.
func Accept(cfg Config, now int64, s *Segment) *Conn {
	c := newConn(cfg, now)
	c.passive = true
	c.state = SynReceived
	c.takeSyn(now, s)
	c.ecnAccept(s)
	c.startWindow()
	c.nxt = c.iss + 1
	c.stats.SegsIn++
	c.fo.accept(c, s)
	c.lastAckSent = c.rcvNxt
	c.armRTO(now)
	c.sendSynAck(now)
	if c.fo.accepted && s.Len > 0 {
		c.fo.deliver(c, now, s)
	}
	s.drop()
	return c
}

// takeSyn notes what the peer's SYN says. The options count only here (RFC 9293
// section 3.2: MSS, scale and SACK-permitted only in a SYN).
func (c *Conn) takeSyn(now int64, s *Segment) {
	c.irs = initial(s.Seq)
	c.rcvNxt = c.irs + 1
	c.rcvWup, c.lastAckSent = c.rcvNxt, c.rcvNxt
	c.rcv.n = 0
	c.urg.init(c.rcvNxt)
	o := &s.Opt
	c.peerMSS = c.defaultMSS()
	if o.HasMSS && o.MSS > 0 {
		c.peerMSS = int(o.MSS)
	}
	c.hasTS = o.HasTS && c.tun.Timestamps != 0
	c.hasSACK = o.SACKPermitted && c.tun.SACK
	c.hasWS = o.HasWScale && c.tun.WindowScaling
	if c.hasWS {
		c.sndScale = o.WScale
	} else {
		c.sndScale, c.rcvScale = 0, 0
	}
	if c.hasTS {
		c.tsRecent, c.tsRecentAt = o.TSVal, now
	}
	c.sndWnd = int64(s.Window) // never scaled in a SYN
	c.maxWnd = c.sndWnd
	c.wl1 = c.irs
	c.updateMSS()
	c.rcvMSS = max(min(c.mss, c.advMSS(), DefaultMSS4), 88) // Linux's guess, until data comes
}

// synOptions are the options of a SYN, or of the SYN-ACK to what takeSyn noted.
func (c *Conn) synOptions(now int64, reply bool) header.TCPOptions {
	o := header.TCPOptions{MSS: uint16(c.advMSS()), HasMSS: true}
	if reply {
		o.SACKPermitted, o.HasTS, o.HasWScale = c.hasSACK, c.hasTS, c.hasWS
	} else {
		o.SACKPermitted, o.HasTS, o.HasWScale = c.tun.SACK, c.tun.Timestamps != 0, c.tun.WindowScaling
	}
	if o.HasWScale {
		o.WScale = c.rcvScale
	}
	if o.HasTS {
		o.TSVal = c.clock(now)
		if reply {
			o.TSEcr = c.tsRecent
		}
	}
	return o
}

// sendSyn sends the SYN of an active open, and sends it again.
func (c *Conn) sendSyn(now int64) {
	o := c.synOptions(now, false)
	from, to := c.fo.onSyn(c, &o)
	flags := header.SYN | c.ecn.onSyn(c)
	c.emit(now, c.iss, flags, from, to, &o)
	c.nxt = max(c.nxt, c.iss+1+(to-from))
	c.synSent(now)
}

// sendSynAck answers a SYN, and sends the answer again.
func (c *Conn) sendSynAck(now int64) {
	o := c.synOptions(now, true)
	c.fo.onSynAck(c, &o)
	c.emit(now, c.iss, header.SYN|header.ACK|c.ecn.onSynAck(c), 0, 0, &o)
	c.nxt = max(c.nxt, c.iss+1)
	c.synSent(now)
}

// synSent notes when the SYN left, for the sample of the round trip.
func (c *Conn) synSent(now int64) {
	if c.rtt.synAt == 0 {
		c.rtt.synAt = now
	} else {
		c.rtt.synAgain = true
		c.cfg.Counters.RetransSegs.Add(1)
		c.cfg.Counters.SynRetrans.Add(1)
		c.stats.Retrans++
	}
}

// inputSynSent is section 3.10.7.3.
func (c *Conn) inputSynSent(now int64, s *Segment) {
	s.seq = initial(s.Seq)
	s.ack = expand(c.una, s.Ack)
	s.end = s.seq + s.span()
	hasAck := s.Flags&header.ACK != 0
	if hasAck && (s.ack <= c.iss || s.ack > c.nxt) {
		c.resetFor(now, s)
		return
	}
	if hasAck && s.Opt.HasTS && s.Opt.TSEcr != 0 && c.tun.Timestamps != 0 && c.rtt.synAt != 0 &&
		(int32(s.Opt.TSEcr-c.clock(c.rtt.synAt)) < 0 || int32(s.Opt.TSEcr-c.clock(now)) > 0) {
		// It echoes a time stamp that was never sent (Linux: PAWSActive).
		c.cfg.Counters.PAWSActive.Add(1)
		c.resetFor(now, s)
		return
	}
	if s.Flags&header.RST != 0 {
		if hasAck {
			c.finish(unix.ECONNREFUSED)
		}
		return
	}
	if s.Flags&header.SYN == 0 {
		return
	}
	scale := c.rcvScale
	c.takeSyn(now, s)
	if c.hasWS {
		c.rcvScale = scale
	}
	c.lastRcv = now
	if !hasAck {
		// Simultaneous open (section 3.5, figure 8).
		c.ecn.ok = false
		c.state = SynReceived
		c.fo.simultaneous(c)
		c.ack.now = false
		c.sendSynAck(now)
		c.armRTO(now)
		return
	}
	c.ecn.gotSynAck(c, s)
	c.fo.gotSynAck(c, s)
	c.established(now, s)
	c.inputAck(now, s)
	c.fo.resend(c)
	c.ack.now = true
	if s.Flags&header.FIN != 0 || s.Len > 0 {
		// What comes with the SYN counts from the number after it.
		s.seq++
		s.Flags &^= header.SYN
		c.inputData(now, s)
	}
}

// established completes the handshake with the segment that acknowledges our SYN.
func (c *Conn) established(now int64, s *Segment) {
	c.state = Established
	c.events |= EventConnected
	if c.passive {
		c.cfg.Counters.PassiveOpens.Add(1)
	}
	if at := c.rtt.synAt; at != 0 && !c.rtt.synAgain {
		c.rtt.sample(c, now, now-at)
	}
	retried := c.timers.retries
	c.timers.rtx, c.timers.retries, c.timers.backoff = 0, 0, 0
	c.rtt.rearm(c)
	if c.rtt.srtt == 0 {
		if at := s.Opt.TSEcr; c.hasTS && at != 0 {
			c.rtt.sample(c, now, max(0, int64(int32(c.clock(now)-at)))*1e6)
		}
		if c.rtt.srtt == 0 && retried > 0 {
			c.rtt.rto = int64(fallbackRTO)
		}
	}
	c.sndWnd = int64(s.Window)
	if s.Flags&header.SYN == 0 {
		c.sndWnd <<= c.sndScale
	}
	c.maxWnd = max(c.maxWnd, c.sndWnd)
	c.wl1, c.wl2 = s.seq, s.ack
	c.updateMSS()
	c.startCongestion(now, retried)
	c.drs.init(c, now)
	c.expandSndBuf()
	c.probe.init(c, now)
	c.lastSent = now
	c.armKeepAlive(now)
	if c.finQueued {
		// It was closed while the handshake went on (section 3.10.4).
		c.state = FinWait1
	}
}

// startCongestion sets the initial window (RFC 6928), or one segment if the SYN
// was lost more than once (RFC 6298 section 5.7, RFC 5681 section 3.1).
func (c *Conn) startCongestion(now int64, retries int) {
	m := int64(c.mss)
	c.ctl.Cwnd = min(10*m, max(2*m, 14600))
	if m <= 1460 {
		c.ctl.Cwnd = 10 * m
	}
	if retries > 1 || retries == 1 && !c.hasTS {
		c.ctl.Cwnd = m
	}
	c.ctl.SRTT, c.ctl.MinRTT = c.rtt.srtt, c.rtt.minRTT(now)
	c.cc.Init(&c.ctl, now)
	c.rate.init(now)
	c.updatePacing()
}
