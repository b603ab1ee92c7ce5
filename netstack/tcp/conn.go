package tcp

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// Config is what a connection is made of.
type Config struct {
	Pool     *buffer.Pool
	Tun      *Tunables
	Counters *Counters
	Limit    *Limiter // of challenge ACKs; nil is no limit

	SrcPort, DstPort uint16
	ISS              uint32
	TSOffset         uint32 // added to the clock of time stamps
	V6               bool

	MTU        int // of the path, in bytes
	Overhead   int // of the network's header with its options, in bytes
	MaxGSO     int // most payload of a packet that is cut later; 0: one segment each
	AdvMSS     int // what the SYN says; 0: from the MTU
	UserMSS    int // TCP_MAXSEG, or 0
	RcvBuf     int // bytes; 0 is tcp_rmem's
	SndBuf     int
	RcvLocked  bool // the user chose it: no tuning
	SndLocked  bool
	Clamp      int // TCP_WINDOW_CLAMP, or 0
	RTOMax     time.Duration
	Congestion Congestion

	// Of Fast Open: a cookie to send with a SYN (empty: ask for one), and whether
	// to do either.
	FastOpen bool
	Cookie   []byte

	Opt Options
}

// Options are the user's choices, which may change while the connection lives
// (see SetOptions).
type Options struct {
	NoDelay, Cork          bool
	KeepAlive              bool
	KeepIdle, KeepInterval time.Duration // 0 is the tunable's
	KeepProbes             int
	SynRetries             int
	Linger2                time.Duration // time in FIN_WAIT2; <0: none; 0: the tunable's
	UserTimeout            time.Duration // 0: none
	MaxPacing              int64         // bytes a second; 0: none
	OOBInline              bool
	ThinLinear             bool
	NotSentLowat           int
	RTOMin, DelackMax      time.Duration // 0: the tunable's, 200 ms
	ECN                    bool          // forced by the congestion control or route
}

// Conn is a connection. Its methods must not be called at the same time.
type Conn struct {
	cfg Config
	tun *Tunables
	opt Options

	state   State
	err     unix.Errno // why it ended
	softErr unix.Errno // what ICMP said
	events  Events
	out     []Out
	passive bool
	orphan  bool // nobody reads any more: what arrives is answered by RST

	// The send sequence space (RFC 9293 section 3.3.1).
	iss, una, nxt int64
	end           int64 // after the last byte that was queued
	wl1, wl2      int64
	sndWnd        int64
	maxWnd        int64 // the largest that the peer ever offered
	up            int64 // after the last urgent byte
	sml           int64 // end of the last segment that was smaller than the MSS
	pushed        int64 // end of the data that were sent with PSH
	finQueued     bool
	more          bool // the last write had MSG_MORE
	data          stream
	sndBuf        int

	// The receive sequence space.
	irs, rcvNxt int64
	rcvWup      int64 // rcvNxt at the last window update
	rcvWnd      int64 // the window from rcvWup on, as advertised
	lastAckSent int64
	rcv         readQueue
	ooo         reassembly
	rcvBuf      int
	clamp       int64
	finRcvd     bool
	finSeq      int64
	urg         urgent
	readShut    bool
	pressed     bool // memory is short: see Press
	sndScale    uint8
	rcvScale    uint8

	// What was agreed upon.
	mss        int // payload of a full segment without options that vary
	peerMSS    int
	rcvMSS     int // a guess at the peer's segments
	mtu        int
	hasTS      bool
	hasSACK    bool
	hasWS      bool
	ecn        ecn
	tsRecent   uint32
	tsRecentAt int64
	fo         fastOpen

	rtt    rtt
	timers timers
	ack    ackState
	cc     Congestion
	ctl    Control
	board  scoreboard
	rack   rack
	rec    recovery
	rate   rate
	pace   pacing
	drs    drs
	probe  mtuProbe

	lastInvalid int64 // when an ACK was last sent for an unacceptable segment
	lastRcv     int64 // when anything last came: for keep-alive
	lastData    int64 // when data last came
	lastSent    int64 // when data were last sent
	lastAck     int64
	start       int64
	last        int64 // the latest time of a call
	stats       Stats
}

// Stats are what TCP_INFO counts.
type Stats struct {
	BytesAcked, BytesReceived, BytesSent, BytesRetrans uint64
	SegsIn, SegsOut, DataIn, DataOut                   uint32
	Retrans, Delivered, DeliveredCE                    uint32
	DSACKs, ReordSeen, OOOPack                         uint32
	Busy, RwndLimited, SndbufLimited                   time.Duration
	TotalRTO, TotalRTORecoveries                       uint16
}

// newConn returns what both ends begin with.
func newConn(cfg Config, now int64) *Conn {
	c := &Conn{}
	c.init(cfg, now)
	return c
}

// init makes c a connection that has not begun.
func (c *Conn) init(cfg Config, now int64) {
	if cfg.Counters == nil {
		cfg.Counters = &Counters{}
	}
	if cfg.Tun == nil {
		cfg.Tun = Defaults()
	}
	if cfg.Congestion == nil {
		cfg.Congestion = NewCongestion(cfg.Tun.Congestion)
	}
	if cfg.RcvBuf == 0 {
		cfg.RcvBuf = cfg.Tun.RMem[1]
	}
	if cfg.SndBuf == 0 {
		cfg.SndBuf = cfg.Tun.WMem[1]
	}
	*c = Conn{cfg: cfg, tun: cfg.Tun, opt: cfg.Opt, state: Closed, start: now, lastRcv: now, mtu: cfg.MTU}
	c.iss = initial(cfg.ISS)
	c.una, c.nxt, c.end = c.iss, c.iss, c.iss+1
	c.up, c.sml, c.pushed = c.iss, c.iss, c.iss
	c.data.base = c.iss + 1
	c.rcvBuf, c.sndBuf = cfg.RcvBuf, cfg.SndBuf
	c.clamp = int64(cfg.Clamp)
	c.peerMSS = c.defaultMSS()
	c.rcvMSS = DefaultMSS4
	c.rtt.init(c)
	c.cc = cfg.Congestion
	c.ctl.SSThresh = infiniteThresh
	c.rec.reordering = c.tun.Reordering
	c.ecn.wanted = cfg.Opt.ECN || c.tun.ECN == 1
	c.updateMSS()
	c.ctl.Cwnd = c.ctl.MSS
}

// Connect begins an active open (RFC 9293 section 3.10.1).
func Connect(cfg Config, now int64) *Conn {
	c := newConn(cfg, now)
	c.state = SynSent
	c.cfg.Counters.ActiveOpens.Add(1)
	c.startWindow()
	c.fo.begin(c)
	return c
}

// Start sends the SYN, with what was written before it if Fast Open allows.
func (c *Conn) Start(now int64) {
	now = c.tick(now)
	c.sendSyn(now)
	c.armRTO(now)
}

func (c *Conn) defaultMSS() int {
	if c.cfg.V6 {
		return DefaultMSS6
	}
	return DefaultMSS4
}

// State returns the state.
func (c *Conn) State() State { return c.state }

// Started is when the connection began.
func (c *Conn) Started() int64 { return c.start }

// Err returns why the connection ended, or 0.
func (c *Conn) Err() unix.Errno { return c.err }

// SoftErr returns what ICMP last said, or 0.
func (c *Conn) SoftErr() unix.Errno { return c.softErr }

// Events returns what happened since it was called last.
func (c *Conn) Events() Events {
	e := c.events
	c.events = 0
	return e
}

// Deadline is when Timer must be called next, or 0.
func (c *Conn) Deadline() int64 { return c.timers.next() }

// SetTunables has the connection go by other tunables from now on.
func (c *Conn) SetTunables(t *Tunables) { c.tun = t }

// Options returns the user's choices.
func (c *Conn) Options() Options { return c.opt }

// SetOptions changes the user's choices; what they held back may leave.
func (c *Conn) SetOptions(now int64, o Options) {
	now = c.tick(now)
	was := c.opt
	c.opt = o
	if o.NoDelay && !was.NoDelay || !o.Cork && was.Cork {
		// Both push out what is there, as Linux does.
		c.more = c.more && !(!o.Cork && was.Cork)
		c.push(now)
	}
	if o.KeepAlive != was.KeepAlive || o.KeepIdle != was.KeepIdle || o.KeepInterval != was.KeepInterval {
		c.armKeepAlive(now)
	}
}

// tick returns now, or the time of the last call if that was later: callers on
// several threads may have read the clock in another order than they call, and
// time stamps that go back would be taken for those of old segments.
func (c *Conn) tick(now int64) int64 {
	c.last = max(c.last, now)
	return c.last
}

// finish ends the connection with err, or in order if it is 0. What was not read
// stays to be read.
func (c *Conn) finish(err unix.Errno) {
	if c.state == Closed {
		return
	}
	if c.state == SynSent || c.state == SynReceived {
		c.cfg.Counters.AttemptFails.Add(1)
	} else if err != 0 && (c.state == Established || c.state == CloseWait) {
		c.cfg.Counters.EstabResets.Add(1)
	}
	c.state, c.err = Closed, err
	c.timers = timers{}
	c.data.drop()
	c.ooo.drop()
	c.board.drop()
	c.ack = ackState{}
	c.events |= EventClosed
}

// Release gives back the memory of what was neither sent nor read. The
// connection must not be used again.
func (c *Conn) Release() {
	c.data.drop()
	c.ooo.drop()
	c.rcv.drop()
	for _, o := range c.Take() {
		o.Packet.Release()
	}
	c.state = Closed
	c.timers = timers{}
}

// TakeSoftErr returns what ICMP last said, and forgets it.
func (c *Conn) TakeSoftErr() unix.Errno {
	e := c.softErr
	c.softErr = 0
	return e
}

// SegmentSize is the payload of a full segment.
func (c *Conn) SegmentSize() int { return c.mss }
