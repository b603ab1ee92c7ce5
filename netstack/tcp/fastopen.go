package tcp

import (
	"slices"

	"hull/netstack/header"
)

// fastOpen is RFC 7413 for one connection.
type fastOpen struct {
	client   bool
	offered  bool   // the SYN had the option
	data     int64  // end of the data that left with the SYN; 0: none
	got      []byte // the cookie that the peer gave us
	accepted bool   // server: the SYN's data count
	give     []byte // server: the cookie to give
	refused  bool
}

func (f *fastOpen) begin(c *Conn) { f.client = c.cfg.FastOpen }

// onSyn adds the option and says which data go along: only with the first SYN.
func (f *fastOpen) onSyn(c *Conn, o *header.TCPOptions) (from, to int64) {
	from = c.iss + 1
	if !f.client || c.rtt.synAt != 0 {
		return from, from
	}
	noCookie := c.tun.FastOpen&4 != 0
	f.offered = true
	if !noCookie || len(c.cfg.Cookie) > 0 {
		o.HasFastOpen, o.FastOpen = true, c.cfg.Cookie
	}
	if len(c.cfg.Cookie) == 0 && !noCookie {
		return from, from
	}
	n := min(c.end-from, int64(c.mss-header.TCPMaxOptions))
	if n <= 0 {
		return from, from
	}
	f.data = from + n
	c.cfg.Counters.FastOpenActive.Add(1)
	c.board.push(record{start: from, end: f.data, sentAt: c.start})
	return from, f.data
}

// gotSynAck takes in the answer.
func (f *fastOpen) gotSynAck(c *Conn, s *Segment) {
	if s.Opt.HasFastOpen && len(s.Opt.FastOpen) > 0 {
		f.got = slices.Clone(s.Opt.FastOpen)
	}
	if f.data == 0 {
		return
	}
	if s.ack < f.data {
		c.cfg.Counters.FastOpenActiveFail.Add(1)
		f.refused = true
	}
}

// resend has the data that the peer did not take be sent again.
func (f *fastOpen) resend(c *Conn) {
	if f.data == 0 || c.una >= f.data {
		return
	}
	for i := range c.board.len() {
		c.lose(c.board.at(i), nil)
	}
}

// simultaneous gives the data of the SYN up to be sent when it is acknowledged.
func (f *fastOpen) simultaneous(c *Conn) { f.refused = f.data != 0 }

// accept decides what a server does with the option of a SYN: cfg.FastOpen says
// that the cookie was good, cfg.Cookie is one to give.
func (f *fastOpen) accept(c *Conn, s *Segment) {
	f.give = c.cfg.Cookie
	f.accepted = c.cfg.FastOpen
	if f.accepted {
		c.cfg.Counters.FastOpenPassive.Add(1)
	}
}

func (f *fastOpen) onSynAck(c *Conn, o *header.TCPOptions) {
	if c.passive && len(f.give) > 0 {
		o.HasFastOpen, o.FastOpen = true, f.give
	}
}

// deliver has the data of the SYN be read before the handshake is complete.
func (f *fastOpen) deliver(c *Conn, now int64, s *Segment) {
	s.seq = c.rcvNxt
	n := min(int64(s.Len), c.rcvWnd)
	s.Data = cutViews(s.Data, n)
	c.queue(s.Data)
	s.Data = nil
	c.dataCame(now, s)
	c.events |= EventReadable
	// The answer may leave before the handshake is complete (section 4.2.2).
	c.ctl.Cwnd = 10*c.ctl.MSS + 1
}

// FastOpened reports what TCP_INFO and MSG_FASTOPEN want to know: the cookie that
// was given, whether data left with the SYN, and whether they were taken.
func (c *Conn) FastOpened() (cookie []byte, sent, taken bool) {
	f := &c.fo
	return f.got, f.data != 0, f.data != 0 && !f.refused && c.una >= f.data || f.accepted
}
