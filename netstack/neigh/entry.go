package neigh

import (
	"net/netip"
	"sync/atomic"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

// Time is nanoseconds of the stack's clock; as a deadline, 0 is never.
type Time = int64

// State is the state of an entry: an NUD_ number.
type State uint16

// The states.
const (
	Incomplete State = 0x01
	Reachable  State = 0x02
	Stale      State = 0x04
	Delay      State = 0x08
	Probe      State = 0x10
	Failed     State = 0x20
	NoARP      State = 0x40
	Permanent  State = 0x80
)

// valid are the states in which the hardware address is known, lasting those in
// which nothing expires, timed those that a timer ends.
const (
	valid   = Permanent | NoARP | Reachable | Probe | Stale | Delay
	lasting = Permanent | NoARP
	timed   = Incomplete | Reachable | Delay | Probe
)

func (s State) String() string {
	switch s {
	case Incomplete:
		return "INCOMPLETE"
	case Reachable:
		return "REACHABLE"
	case Stale:
		return "STALE"
	case Delay:
		return "DELAY"
	case Probe:
		return "PROBE"
	case Failed:
		return "FAILED"
	case NoARP:
		return "NOARP"
	case Permanent:
		return "PERMANENT"
	}
	return "NONE"
}

// Entry is one neighbour.
type Entry struct {
	addr  netip.Addr // immutable
	cache *Cache     // immutable

	// fast is the hardware address and bit fastUsable, if the entry may be used
	// without any change of its state.
	fast atomic.Uint64
	used atomic.Int64 // when it was last used

	// What follows is guarded by the cache's lock.
	state     State
	hw        link.Address
	router    bool
	dead      bool // no longer in the cache
	updated   Time
	confirmed Time
	deadline  Time
	reachable Time // how long it stays reachable after it was confirmed
	probes    int
	pending   []*buffer.Packet
	bytes     int // of pending
	source    netip.Addr
}

const fastUsable = 1 << 63

// Addr returns the neighbour's address.
func (e *Entry) Addr() netip.Addr { return e.addr }

// setState sets the state and what Resolved may read without the lock.
func (e *Entry) setState(s State) {
	e.state = s
	if s&(Permanent|NoARP|Reachable|Delay|Probe) != 0 && !e.dead {
		e.fast.Store(packed(e.hw) | fastUsable)
	} else {
		e.fast.Store(0)
	}
}

func packed(a link.Address) uint64 {
	return uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5])
}

func unpacked(v uint64) link.Address {
	return link.Address{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// Resolved returns the hardware address if packets may be sent to it. Otherwise
// they go through Cache.Send.
func (e *Entry) Resolved(now Time) (link.Address, bool) {
	v := e.fast.Load()
	if v&fastUsable != 0 {
		if now-e.used.Load() > 1e9 {
			e.used.Store(now)
		}
		return unpacked(v), true
	}
	return e.wake(now)
}

// wake makes a stale entry usable, which is to be confirmed within a delay.
func (e *Entry) wake(now Time) (link.Address, bool) {
	c := e.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	e.used.Store(now)
	if e.dead || e.state&valid == 0 {
		return link.Address{}, false
	}
	if e.state == Stale {
		e.probes = 0
		c.arm(e, now+c.cfg.DelayFirstProbe)
		e.setState(Delay)
	}
	return e.hw, true
}

// Confirm says that an upper layer heard from the neighbour.
func (e *Entry) Confirm(now Time) {
	c := e.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.dead || e.state&(Reachable|Stale|Delay|Probe) == 0 {
		return
	}
	if e.confirmed = now; e.state != Reachable {
		c.reach(e, now)
	}
}

// Info is what a netlink message says of an entry.
type Info struct {
	Addr      netip.Addr
	HW        link.Address
	State     State
	Router    bool
	Used      Time
	Confirmed Time
	Updated   Time
	Probes    int
}

// info returns what e is. The caller holds the cache's lock.
func (e *Entry) info() Info {
	return Info{
		Addr: e.addr, HW: e.hw, State: e.state, Router: e.router,
		Used: e.used.Load(), Confirmed: e.confirmed, Updated: e.updated, Probes: e.probes,
	}
}
