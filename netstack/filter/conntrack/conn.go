package conntrack

import (
	"sync"
	"sync/atomic"

	"hull/netstack/header"
)

// State is how a packet stands to its connection: enum ip_conntrack_info, but the
// direction.
type State uint8

// The states.
const (
	Established State = iota
	Related           // it begins a connection, or is an error, of another one
	New
	states
	Invalid   // it belongs to none and cannot begin one
	Untracked // a rule said so
)

// Ref is what a packet carries: its connection, and how it stands to it.
type Ref struct {
	Conn  *Conn // nil if it is Invalid or Untracked
	State State
	Reply bool // it goes against the connection's first packet
}

// Status are the IPS_* bits of linux/netfilter/nf_conntrack_common.h.
type Status uint32

// The bits of a Status.
const (
	SeenReply Status = 1 << 1
	Assured   Status = 1 << 2
	Confirmed Status = 1 << 3
	SrcNAT    Status = 1 << 4
	DstNAT    Status = 1 << 5
	SrcDone   Status = 1 << 7
	DstDone   Status = 1 << 8
	Dying     Status = 1 << 9
)

// Conn is one connection.
type Conn struct {
	id       uint32
	tuples   [2]Tuple // as its first packet came, and as replies come: not changed once it is confirmed
	v6       bool
	status   atomic.Uint32
	deadline atomic.Int64 // nanoseconds of the stack's clock
	mark     atomic.Uint32
	packets  [2]atomic.Uint64
	bytes    [2]atomic.Uint64
	began    int64
	refs     [2][states]Ref // what packets carry, by direction and state

	mu  sync.Mutex
	tcp TCPState           // guarded by mu
	fin [2]header.TCPFlags // guarded by mu: the flags that a direction has sent
}

func newConn(id uint32, original, reply Tuple, z Zones, v6 bool, now int64) *Conn {
	original.Zone, reply.Zone = z[0], z[1]
	c := &Conn{id: id, tuples: [2]Tuple{original, reply}, v6: v6, began: now}
	for d := range c.refs {
		for s := range c.refs[d] {
			c.refs[d][s] = Ref{c, State(s), d == 1}
		}
	}
	return c
}

// ID is a number that no other connection of the table has.
func (c *Conn) ID() uint32 { return c.id }

// V6 says whether its addresses are of IPv6.
func (c *Conn) V6() bool { return c.v6 }

// Original is the tuple of its first packet, as it came; Reply that of replies.
func (c *Conn) Original() Tuple { return c.tuples[0] }

// Reply returns the tuple of replies.
func (c *Conn) Reply() Tuple { return c.tuples[1] }

// Status returns its bits.
func (c *Conn) Status() Status { return Status(c.status.Load()) }

func (c *Conn) set(s Status) { c.status.Or(uint32(s)) }

// Mark returns and SetMark sets its mark (CONNMARK).
func (c *Conn) Mark() uint32 { return c.mark.Load() }

// SetMark sets the mark.
func (c *Conn) SetMark(m uint32) { c.mark.Store(m) }

// Deadline is when it expires, in nanoseconds of the stack's clock.
func (c *Conn) Deadline() int64 { return c.deadline.Load() }

// Began is when its first packet came.
func (c *Conn) Began() int64 { return c.began }

// Counts returns the packets and bytes of a direction.
func (c *Conn) Counts(reply bool) (packets, bytes uint64) {
	d := direction(reply)
	return c.packets[d].Load(), c.bytes[d].Load()
}

// TCP returns the state of a connection of TCP.
func (c *Conn) TCP() TCPState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tcp
}

// Ref returns what a packet of the connection carries.
func (c *Conn) Ref(reply bool, s State) *Ref { return &c.refs[direction(reply)][s] }

func direction(reply bool) int {
	if reply {
		return 1
	}
	return 0
}

// count adds a packet.
func (c *Conn) count(reply bool, n int) {
	d := direction(reply)
	c.packets[d].Add(1)
	c.bytes[d].Add(uint64(n))
}
