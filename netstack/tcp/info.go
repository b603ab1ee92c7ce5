package tcp

import "time"

// Info is what TCP_INFO tells of a connection. Sizes are bytes, windows of
// congestion segments, as Linux has them.
type Info struct {
	State                          State
	CAState                        uint8
	Retransmits, Probes, Backoff   uint8
	HasTS, HasSACK, HasWScale, ECN bool
	ECNSeen, SynData               bool
	SndScale, RcvScale             uint8
	RTO, ATO                       time.Duration
	SndMSS, RcvMSS                 int
	Unacked, Sacked, Lost, Retrans int // segments
	LastDataSent, LastDataRecv     time.Duration
	LastAckRecv                    time.Duration
	PMTU                           int
	RcvSSThresh                    int
	RTT, RTTVar, MinRTT, RcvRTT    time.Duration
	SSThresh, Cwnd                 int // segments
	AdvMSS, Reordering             int
	RcvSpace                       int
	TotalRetrans                   uint32
	PacingRate, MaxPacing          int64
	DeliveryRate                   int64
	DeliveryLimited                bool
	NotSent                        int
	SndWnd, RcvWnd                 int
	RehashTotal                    int
	OOOPack                        uint32
	Stats                          Stats

	// The timer that runs, as /proc/net/tcp has it: 0 none, 1 retransmission, 2
	// keep-alive, 4 probe of the window; and when it fires.
	Timer   uint8
	Expires time.Duration
}

// Info returns it.
func (c *Conn) Info(now int64) Info {
	m := max(c.ctl.MSS, 1)
	segs := func(n int64) int { return int((n + m - 1) / m) }
	since := func(at int64) time.Duration {
		if at == 0 {
			at = c.start
		}
		return time.Duration(max(0, now-at))
	}
	i := Info{
		State: c.state, CAState: uint8(c.rec.state),
		Retransmits: uint8(min(c.timers.retries, 255)), Probes: uint8(min(c.timers.probes+c.timers.keepProbes, 255)),
		Backoff: uint8(min(c.timers.backoff, 255)),
		HasTS:   c.hasTS, HasSACK: c.hasSACK, HasWScale: c.hasWS, ECN: c.ecn.ok, ECNSeen: c.ecn.seen,
		SndScale: c.sndScale, RcvScale: c.rcvScale,
		RTO: time.Duration(c.rtt.rto), ATO: time.Duration(c.ack.ato),
		SndMSS: c.mss, RcvMSS: c.rcvMSS,
		Sacked: segs(c.board.sacked + c.board.reno), Lost: segs(c.board.lost), Retrans: segs(c.board.retrans),
		LastDataSent: since(c.lastSent), LastDataRecv: since(c.lastData), LastAckRecv: since(c.lastAck),
		PMTU: c.mtu, RcvSSThresh: int(c.windowSpace()),
		RTT: time.Duration(c.rtt.srtt), RTTVar: time.Duration(c.rtt.rttvar), MinRTT: time.Duration(c.rtt.min.value),
		RcvRTT: time.Duration(c.drs.rtt), Cwnd: max(segs(c.ctl.Cwnd), 1), AdvMSS: c.advMSS(),
		Reordering: c.rec.reordering, RcvSpace: int(c.drs.space), TotalRetrans: c.stats.Retrans,
		PacingRate: c.pace.rate, MaxPacing: c.opt.MaxPacing, DeliveryRate: c.rate.best.PerSecond(),
		DeliveryLimited: c.rate.best.Limited, NotSent: c.NotSent(),
		SndWnd: int(c.sndWnd), RcvWnd: int(c.window()), OOOPack: c.stats.OOOPack, Stats: c.stats,
		SSThresh: 0x7fffffff,
	}
	_, sent, taken := c.FastOpened()
	i.SynData = sent && taken || c.fo.accepted
	if c.nxt > c.una {
		i.Unacked = segs(c.nxt - c.una)
	}
	if c.ctl.SSThresh < infiniteThresh {
		i.SSThresh = segs(c.ctl.SSThresh)
	}
	at := int64(0)
	switch t := &c.timers; {
	case t.rtx != 0 && t.kind == timerPersist:
		i.Timer, at = 4, t.rtx
	case t.rtx != 0:
		i.Timer, at = 1, t.rtx
	case t.keep != 0:
		i.Timer, at = 2, t.keep
	case t.life != 0:
		i.Timer, at = 3, t.life
	}
	if at != 0 {
		i.Expires = time.Duration(max(0, at-now))
	}
	return i
}

// Sequence returns how many bytes were sent and acknowledged, for completions of
// sends without copying.
func (c *Conn) Sequence() (queued, acked int64) {
	return c.end - c.iss - 1, max(0, min(c.una, c.end)-c.iss-1)
}
