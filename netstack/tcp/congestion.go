package tcp

import "slices"

// Congestion is an algorithm of congestion control. It has a connection's Control
// for itself, and is asked only where the recovery leaves the window to it.
type Congestion interface {
	Name() string
	// Init is called when the handshake is complete.
	Init(k *Control, now int64)
	// Ack is told of each acknowledgment of new data while nothing is lost, and of
	// every one that delivers something if OwnsWindow.
	Ack(k *Control, a *AckInfo)
	// Loss returns the new threshold in bytes.
	Loss(k *Control, now int64, kind lossKind) int64
	// Undo returns the window after a loss that was none. prior is what it was before.
	Undo(k *Control, prior int64) int64
	// Idle is called when sending begins after a pause.
	Idle(k *Control, now int64)
	// OwnsWindow says that it sets the window and the pace in all states.
	OwnsWindow() bool
}

// lossKind is what a reduction is for.
type lossKind uint8

const (
	lossFast lossKind = iota
	lossTimeout
	lossECN
)

// infiniteThresh is a threshold that is not known yet.
const infiniteThresh = int64(1) << 46

// Control is what a congestion control reads and sets. Bytes, nanoseconds, bytes a
// second.
type Control struct {
	MSS          int64
	Cwnd         int64
	SSThresh     int64
	SRTT, MinRTT int64
	PacingRate   int64 // 0: not paced, but by the user

	segment  int   // payload of a segment that is sent now
	limited  bool  // the window was what held data back
	maxOut   int64 // the most that was in flight in this round
	usageSeq int64
	info     AckInfo
}

// SlowStart reports whether the window is below the threshold.
func (k *Control) SlowStart() bool { return k.Cwnd < k.SSThresh }

// AckInfo is what an acknowledgment told.
type AckInfo struct {
	Now           int64
	Acked         int64 // bytes that una moved
	Delivered     int64 // bytes that arrived
	Lost          int64
	Inflight      int64
	PriorInflight int64
	RTT           int64 // 0: no sample
	ECE           bool
	Una, Nxt      int64
	Limited       bool
	Recovering    bool
	Rate          Rate
}

// Congestions returns the names of the algorithms there are.
func Congestions() []string { return []string{"reno", "cubic", "bbr"} }

// NewCongestion returns an algorithm by its name; nil if there is none.
func NewCongestion(name string) Congestion {
	switch name {
	case "reno":
		return &reno{}
	case "cubic":
		return &cubic{}
	case "bbr":
		return &bbr{}
	}
	return nil
}

// HasCongestion reports whether there is an algorithm of that name.
func HasCongestion(name string) bool { return slices.Contains(Congestions(), name) }

// SetCongestion changes the algorithm of a connection.
func (c *Conn) SetCongestion(now int64, cc Congestion) {
	now = c.tick(now)
	c.cc = cc
	c.ctl.PacingRate = 0
	if c.state.synchronized() {
		cc.Init(&c.ctl, now)
	}
}

// Congestion returns the algorithm's name.
func (c *Conn) Congestion() string { return c.cc.Name() }

func (c *Conn) ownsWindow() bool { return c.cc.OwnsWindow() }

// mayGrow reports whether the window was used: one that was not says nothing of
// what the path can carry.
func (k *Control) mayGrow() bool {
	if k.limited {
		return true
	}
	return k.SlowStart() && k.Cwnd < 2*k.maxOut
}

// slowStart grows the window by what was acknowledged (RFC 5681 section 3.1, with
// RFC 3465's bytes and without its bound: acknowledgments of large packets are
// rare). It returns what is left when the threshold is reached.
func (k *Control) slowStart(acked int64) int64 {
	n := min(acked, k.SSThresh-k.Cwnd)
	k.Cwnd += n
	return acked - n
}

// reno is NewReno's congestion avoidance (RFC 5681 section 3.1).
type reno struct{ credit int64 }

func (r *reno) Name() string               { return "reno" }
func (r *reno) Init(k *Control, now int64) {}
func (r *reno) Idle(k *Control, now int64) {}
func (r *reno) OwnsWindow() bool           { return false }

func (r *reno) Ack(k *Control, a *AckInfo) {
	if !k.mayGrow() {
		return
	}
	acked := a.Acked
	if k.SlowStart() {
		if acked = k.slowStart(acked); acked == 0 {
			return
		}
	}
	k.additive(&r.credit, acked, k.Cwnd)
}

// additive grows the window by a segment for each per bytes that are acknowledged.
func (k *Control) additive(credit *int64, acked, per int64) {
	*credit += acked
	if *credit >= per {
		n := *credit / per
		*credit -= n * per
		k.Cwnd += n * k.MSS
	}
}

func (r *reno) Loss(k *Control, now int64, kind lossKind) int64 {
	r.credit = 0
	return max(k.Cwnd/2, 2*k.MSS)
}

func (r *reno) Undo(k *Control, prior int64) int64 { return prior }
