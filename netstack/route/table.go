package route

import (
	"iter"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Type is what becomes of packets that a route matches: an RTN_ number.
type Type uint8

// Hop is one way to the destinations of a route.
type Hop struct {
	Gateway netip.Addr // invalid if the destination is on the link
	OIF     int        // index of the interface
	Weight  int        // 1 to 256; 0 counts as 1
	OnLink  bool       // the gateway is a neighbour though no route says so
	Dead    bool       // the interface is down
}

// Route is one route. A route that is in a table is not changed.
type Route struct {
	Dst      netip.Prefix
	Table    uint32
	TOS      uint8
	Protocol uint8 // who made it: RTPROT_*
	Scope    uint8 // RT_SCOPE_*
	Type     Type
	Priority uint32     // the metric: the lowest wins
	Source   netip.Addr // preferred source address, if valid
	Hops     []Hop      // of a unicast, local, broadcast, multicast or anycast route
	Metrics  Metrics
	Expires  int64 // in nanoseconds of the stack's clock; 0 is never
}

// Metrics are what a route says of the paths that it begins: RTAX_*.
type Metrics struct {
	MTU      uint32
	MTULock  bool
	AdvMSS   uint32
	Window   uint32
	HopLimit uint32
	InitCwnd uint32
	InitRwnd uint32
	QuickAck uint32
	Features uint32
}

// HasOIF reports whether one of the hops leaves through the interface.
func (r *Route) HasOIF(index int) bool {
	return slices.ContainsFunc(r.Hops, func(h Hop) bool { return h.OIF == index })
}

// same reports whether r and o are one route to `ip route replace`.
func (r *Route) same(o *Route) bool {
	return r.Dst == o.Dst && r.TOS == o.TOS && r.Priority == o.Priority
}

// equal reports whether r and o are the same in all that a deletion may name.
func (r *Route) equal(o *Route) bool {
	return r.same(o) && r.Type == o.Type && r.Scope == o.Scope && r.Protocol == o.Protocol &&
		r.Source == o.Source && slices.Equal(r.Hops, o.Hops)
}

// Table is the routes of one table: a snapshot, immutable.
type Table struct {
	id     uint32
	trie   trie[[]*Route] // the routes of a prefix, in the order in which they are tried
	routes int            // how many there are
}

// ID returns the number of the table.
func (t *Table) ID() uint32 { return t.id }

// All yields the routes, in the order of their prefixes.
func (t *Table) All() iter.Seq[*Route] {
	return func(yield func(*Route) bool) {
		t.trie.each(func(rs []*Route) bool {
			for _, r := range rs {
				if !yield(r) {
					return false
				}
			}
			return true
		})
	}
}

// AddMode is what an addition does if there is such a route: the NLM_F_ flags.
type AddMode uint8

// The modes of Add.
const (
	Exclusive AddMode = iota // EEXIST
	Append                   // another one after it, if it is not equal
	Prepend                  // another one before it
	Replace                  // it is replaced, or ENOENT
	Upsert                   // it is replaced, if there is one
)

func (t *Table) with(r *Route, mode AddMode) (*Table, *Route, error) {
	old, _ := t.trie.get(r.Dst)
	at := slices.IndexFunc(old, r.same)
	rs := slices.Clone(old)
	var replaced *Route
	switch {
	case at < 0 && mode == Replace:
		return t, nil, unix.ENOENT
	case at < 0:
		// A higher type of service comes first, then a lower metric.
		at = slices.IndexFunc(old, func(o *Route) bool {
			return o.TOS < r.TOS || o.TOS == r.TOS && o.Priority > r.Priority
		})
		if at < 0 {
			at = len(old)
		}
		rs = slices.Insert(rs, at, r)
	case mode == Exclusive:
		return t, nil, unix.EEXIST
	case mode == Replace, mode == Upsert:
		replaced, rs[at] = old[at], r
	default:
		if slices.ContainsFunc(old, r.equal) {
			return t, nil, unix.EEXIST
		}
		if mode == Append {
			for at < len(old) && old[at].same(r) {
				at++
			}
		}
		rs = slices.Insert(rs, at, r)
	}
	return &Table{t.id, t.trie.with(r.Dst, rs), t.routes + len(rs) - len(old)}, replaced, nil
}

// without removes the routes that match, and returns them.
func (t *Table) without(dst netip.Prefix, match func(*Route) bool, all bool) (*Table, []*Route) {
	old, _ := t.trie.get(dst)
	var gone, rest []*Route
	for _, r := range old {
		if match(r) && (all || gone == nil) {
			gone = append(gone, r)
		} else {
			rest = append(rest, r)
		}
	}
	switch {
	case gone == nil:
		return t, nil
	case rest == nil:
		return &Table{t.id, t.trie.without(dst), t.routes - len(gone)}, gone
	}
	return &Table{t.id, t.trie.with(dst, rest), t.routes - len(gone)}, gone
}

// lookup returns the route and the hop for f, or nil.
func (t *Table) lookup(f *Flow, suppress int) (*Route, *Hop) {
	var found *Route
	var hop *Hop
	t.trie.matches(f.Dst, func(rs []*Route) bool {
		for _, r := range rs {
			if r.TOS != 0 && r.TOS != f.TOS || r.Dst.Bits() <= suppress {
				continue
			}
			if len(r.Hops) == 0 {
				if r.Type == unix.RTN_UNICAST {
					continue
				}
				found = r
				return true
			}
			if h := r.choose(f); h != nil {
				found, hop = r, h
				return true
			}
		}
		return false
	})
	return found, hop
}

// choose returns the hop for f: by hash if there are several.
func (r *Route) choose(f *Flow) *Hop {
	usable := func(h *Hop) bool {
		// An address is ours whether its interface is up or not.
		return r.Type == unix.RTN_LOCAL || !h.Dead && (f.OIF == 0 || f.OIF == h.OIF)
	}
	if len(r.Hops) == 1 {
		if usable(&r.Hops[0]) {
			return &r.Hops[0]
		}
		return nil
	}
	total := 0
	for i := range r.Hops {
		if usable(&r.Hops[i]) {
			total += max(1, r.Hops[i].Weight)
		}
	}
	if total == 0 {
		return nil
	}
	at := int(f.Hash % uint32(total))
	for i := range r.Hops {
		if h := &r.Hops[i]; usable(h) {
			if at -= max(1, h.Weight); at < 0 {
				return h
			}
		}
	}
	return nil
}
