package filter

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
)

type counter32 struct{ atomic.Uint32 }

// Stateful is an expression that keeps something. Copy makes another one that
// begins as this one was written down: for each element of a set.
type Stateful interface {
	Expr
	Copy() Stateful
}

// Counter counts packets and bytes.
type Counter struct{ packets, bytes atomic.Uint64 }

// NewCounter returns a counter that stands at the given numbers.
func NewCounter(packets, bytes uint64) *Counter {
	c := &Counter{}
	c.packets.Store(packets)
	c.bytes.Store(bytes)
	return c
}

// Values returns what was counted; reset sets it to zero.
func (e *Counter) Values(reset bool) (packets, bytes uint64) {
	if reset {
		return e.packets.Swap(0), e.bytes.Swap(0)
	}
	return e.packets.Load(), e.bytes.Load()
}

// Add adds to what was counted.
func (e *Counter) Add(packets, bytes uint64) {
	e.packets.Add(packets)
	e.bytes.Add(bytes)
}

// Copy implements Stateful.
func (e *Counter) Copy() Stateful { return NewCounter(e.Values(false)) }

func (e *Counter) eval(x *run) {
	e.packets.Add(1)
	e.bytes.Add(uint64(x.p.Len()))
}

// Limit lets packets or bytes pass up to a rate: a bucket of tokens, which are
// nanoseconds.
type Limit struct {
	Rate, Unit uint64 // Rate packets or bytes in Unit seconds
	Burst      uint32
	Bytes      bool
	Invert     bool

	mu     sync.Mutex
	tokens int64 // guarded by mu
	last   int64 // guarded by mu; 0 before the first packet
}

// Copy implements Stateful.
func (e *Limit) Copy() Stateful {
	return &Limit{Rate: e.Rate, Unit: e.Unit, Burst: e.Burst, Bytes: e.Bytes, Invert: e.Invert}
}

func (e *Limit) eval(x *run) {
	if e.over(x.c.Now, uint64(x.p.Len())) != e.Invert {
		x.fail()
	}
}

// over takes n bytes or one packet, and reports whether there was no room.
func (e *Limit) over(now int64, n uint64) bool {
	if !e.Bytes {
		n = 1
	}
	unit := float64(e.Unit) * 1e9
	cost := int64(min(unit*float64(n)/float64(max(e.Rate, 1)), 1<<62))
	full := float64(e.Burst)
	switch {
	case e.Bytes:
		full += float64(e.Rate) // a burst comes on top of what one unit allows
	case e.Burst == 0:
		full = 5
	}
	room := int64(min(unit*full/float64(max(e.Rate, 1)), 1<<62))
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == 0 {
		e.tokens = room
	} else if d := now - e.last; d > 0 {
		e.tokens = min(room, e.tokens+min(d, room))
	}
	e.last = now
	if e.tokens < cost {
		return true
	}
	e.tokens -= cost
	return false
}

// Quota lets bytes pass until there were so many.
type Quota struct {
	Bytes    uint64
	Invert   bool
	consumed atomic.Uint64
}

// NewQuota returns a quota of which some bytes were used already.
func NewQuota(n uint64, invert bool, consumed uint64) *Quota {
	q := &Quota{Bytes: n, Invert: invert}
	q.consumed.Store(consumed)
	return q
}

// Consumed returns the bytes that passed; reset sets them to zero.
func (e *Quota) Consumed(reset bool) uint64 {
	if reset {
		return e.consumed.Swap(0)
	}
	return e.consumed.Load()
}

// Copy implements Stateful.
func (e *Quota) Copy() Stateful { return NewQuota(e.Bytes, e.Invert, e.consumed.Load()) }

func (e *Quota) eval(x *run) {
	if over := e.consumed.Add(uint64(x.p.Len())) > e.Bytes; over != e.Invert {
		x.fail()
	}
}

// Last remembers when a packet came last.
type Last struct{ at atomic.Int64 }

// At returns when, in nanoseconds of the stack's clock, or 0.
func (e *Last) At() int64 { return e.at.Load() }

// Copy implements Stateful.
func (e *Last) Copy() Stateful { return &Last{} }

func (e *Last) eval(x *run) { e.at.Store(x.c.Now) }

// ConnLimit matches while no more than so many connections have passed it and live.
type ConnLimit struct {
	Count  uint32
	Invert bool

	mu    sync.Mutex
	conns map[*conntrack.Conn]bool // guarded by mu
	swept int64                    // guarded by mu: when those that ended were last removed
}

func (e *ConnLimit) tracks() bool { return true }

// Copy implements Stateful.
func (e *ConnLimit) Copy() Stateful { return &ConnLimit{Count: e.Count, Invert: e.Invert} }

// maxConnLimit bounds the connections that one ConnLimit remembers.
const maxConnLimit = 1 << 16

// Those of more than fewConns are looked through for what has ended no more often
// than a tick of Linux's clock is long, as there: a flood is to cost no more than
// other packets.
const (
	fewConns  = 256
	sweepTick = int64(4 * time.Millisecond)
)

func (e *ConnLimit) eval(x *run) {
	if x.ref == nil || x.ref.Conn == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns == nil {
		e.conns = map[*conntrack.Conn]bool{}
	}
	if !e.conns[x.ref.Conn] {
		e.sweep(x.c.Now)
		if len(e.conns) < maxConnLimit {
			e.conns[x.ref.Conn] = true
		}
	}
	if (uint32(len(e.conns)) > e.Count) != e.Invert {
		x.fail()
	}
}

// sweep removes the connections that have ended. The caller holds mu.
func (e *ConnLimit) sweep(now int64) {
	if len(e.conns) > fewConns && now-e.swept < sweepTick {
		return
	}
	e.swept = now
	for c := range e.conns {
		if c.Deadline() <= now || c.Status()&conntrack.Dying != 0 || c.TCP() == conntrack.TCPTimeWait || c.TCP() == conntrack.TCPClose {
			delete(e.conns, c)
		}
	}
}

// Log writes a line to the kernel's log, or to a group of nfnetlink_log.
type Log struct {
	Prefix     string
	Level      uint32
	Flags      uint32
	Group      uint16
	HasGroup   bool
	SnapLen    uint32
	HasSnapLen bool
	QThreshold uint16
	HasQ       bool
	HasLevel   bool
	HasFlags   bool
}

func (e *Log) eval(x *run) {
	if e.HasGroup {
		x.logTo(e.Group, e.Prefix, int(e.SnapLen))
		return
	}
	x.log(e.Level, e.Prefix)
}

// log writes a line about the packet, as nf_log_syslog does.
func (x *run) log(level uint32, prefix string) {
	var b strings.Builder
	name := func(d *Device) string {
		if d == nil {
			return ""
		}
		return d.Name
	}
	t := &x.pk.Tuple
	if x.noIP {
		fmt.Fprintf(&b, "%sIN=%s OUT=%s MACPROTO=%04x ", prefix, name(x.c.In), name(x.c.Out), x.c.EtherType)
		x.rules.cfg.Host.Log(int(level), b.String())
		return
	}
	fmt.Fprintf(&b, "%sIN=%s OUT=%s SRC=%s DST=%s LEN=%d ", prefix, name(x.c.In), name(x.c.Out), t.Src, t.Dst, x.pk.Len)
	if !x.c.V6 {
		h := header.IPv4(x.head)
		fmt.Fprintf(&b, "TOS=0x%02X PREC=0x%02X TTL=%d ID=%d ", h.TOS()&0x1e, h.TOS()&0xe0, h.TTL(), h.ID())
	} else {
		h := header.IPv6(x.head)
		fmt.Fprintf(&b, "TC=%d HOPLIMIT=%d FLOWLBL=%d ", h.TrafficClass(), h.HopLimit(), h.FlowLabel())
	}
	switch {
	case x.pk.Fragment || x.pk.Short:
		fmt.Fprintf(&b, "PROTO=%d ", t.Proto)
	case t.Proto == header.ProtocolTCP:
		fmt.Fprintf(&b, "PROTO=TCP SPT=%d DPT=%d WINDOW=%d %s ", t.SrcPort, t.DstPort, header.TCP(x.head[x.pk.Transport:]).Window(), x.pk.Flags)
	case t.Proto == header.ProtocolUDP:
		fmt.Fprintf(&b, "PROTO=UDP SPT=%d DPT=%d ", t.SrcPort, t.DstPort)
	case t.Proto == header.ProtocolICMP || t.Proto == header.ProtocolICMPv6:
		fmt.Fprintf(&b, "PROTO=%s TYPE=%d CODE=%d ", t.Proto, x.pk.ICMPType, t.DstPort&0xff)
	default:
		fmt.Fprintf(&b, "PROTO=%d ", t.Proto)
	}
	if x.p.Mark != 0 {
		fmt.Fprintf(&b, "MARK=0x%x ", x.p.Mark)
	}
	x.rules.cfg.Host.Log(int(level), b.String())
}

// Reject answers a packet and drops it: NFT_REJECT_*.
type Reject struct {
	Type uint32
	Code uint8
}

// The types of Reject.
const (
	RejectICMP  = 0 // of the table's family
	RejectReset = 1
	RejectICMPX = 2 // of the packet's family
)

func (e *Reject) eval(x *run) { x.reject(e.Type, e.Code) }

func (x *run) reject(typ uint32, code uint8) {
	x.code = CodeDrop
	if x.pk.Fragment {
		return
	}
	if x.ref != nil && x.pk.Error {
		return // no error about an error
	}
	host := x.rules.cfg.Host
	if typ == RejectReset {
		if x.pk.Tuple.Proto == header.ProtocolTCP && x.pk.Flags&header.RST == 0 && !x.pk.Short {
			host.RejectReset(x.h, x.p, x.c)
			x.code = x.rejected()
		}
		return
	}
	if typ == RejectICMPX {
		code = icmpxCode(code, x.c.V6)
	}
	if x.c.V6 {
		host.RejectICMP(x.h, x.p, x.c, uint8(header.ICMPv6DstUnreachable), code)
	} else {
		host.RejectICMP(x.h, x.p, x.c, uint8(header.ICMPv4DstUnreachable), code)
	}
	x.code = x.rejected()
}

// rejected is what becomes of a packet that was answered. A sender of this host is
// told by the answer, but Linux tells it EPERM too.
func (x *run) rejected() Code {
	if x.h == Output {
		return CodeDrop
	}
	return codeStolen
}

// icmpxCode is a code that holds for both families, in one of them: NFT_REJECT_ICMPX_*.
func icmpxCode(code uint8, v6 bool) uint8 {
	four := [...]uint8{0, 3, 1, 13} // no route, port, host, administratively prohibited
	six := [...]uint8{0, 4, 3, 1}
	if int(code) >= len(four) {
		return 0
	}
	if v6 {
		return six[code]
	}
	return four[code]
}
