package stack

import (
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// sourceFilter says from which sources a group is wanted: from those, or if
// exclude from all but those. It is not changed.
type sourceFilter struct {
	exclude bool
	sources []netip.Addr // in order, each once
}

// anySource is a filter that lets all through.
func anySource() *sourceFilter { return &sourceFilter{exclude: true} }

func (f *sourceFilter) allows(src netip.Addr) bool {
	_, listed := slices.BinarySearchFunc(f.sources, src, netip.Addr.Compare)
	return listed != f.exclude
}

// minus, plus and both are the sets of sources that are in a and not in b, in one
// of them, and in both.
func minus(a, b []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a), func(x netip.Addr) bool {
		_, in := slices.BinarySearchFunc(b, x, netip.Addr.Compare)
		return in
	})
}

func plus(a, b []netip.Addr) []netip.Addr {
	c := slices.Concat(a, b)
	slices.SortFunc(c, netip.Addr.Compare)
	return slices.Compact(c)
}

func both(a, b []netip.Addr) []netip.Addr { return minus(a, minus(a, b)) }

// groups is the multicast groups of an interface, and what is told of them to
// routers: IGMP (RFC 3376, RFC 2236) and MLD (RFC 3810, RFC 2710).
type groups struct {
	nic   *NIC
	timer timer

	mu       sync.Mutex
	m        map[netip.Addr]*group
	up       bool
	inLink   bool     // in 224.0.0.1
	oldUntil [3]int64 // until when an older querier counts: of IGMPv1, IGMPv2, MLDv1
}

// group is one of them.
type group struct {
	own     int             // memberships of the stack's own
	filters []*sourceFilter // of sockets
	now     sourceFilter    // of all together, as RFC 3376 section 3.2 has it

	// A change that is being told: how often it is still sent, and when next.
	left         int
	next         int64
	mode         bool // the mode changed; otherwise sources came or went
	allow, block []netip.Addr

	// An answer to a query, about all sources if asked is nil.
	respond int64
	asked   []netip.Addr
}

// maxGroups bounds the groups of an interface.
const maxGroups = 1 << 14

func (g *groups) init(n *NIC) {
	g.nic, g.m = n, map[netip.Addr]*group{}
	g.timer.init(&n.stack.timers, g.tick)
}

func (g *groups) close() {
	g.timer.drop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.m, g.up = map[netip.Addr]*group{}, false
}

func (x *group) used() bool { return x.own > 0 || len(x.filters) > 0 }

// merge puts the filters of all members together.
func (x *group) merge() sourceFilter {
	out := sourceFilter{exclude: x.own > 0}
	first := x.own == 0
	for _, f := range x.filters {
		if !f.exclude {
			continue
		}
		if first {
			out.sources, first = f.sources, false
		} else {
			out.sources = both(out.sources, f.sources)
		}
		out.exclude = true
	}
	for _, f := range x.filters {
		switch {
		case f.exclude:
		case out.exclude:
			out.sources = minus(out.sources, f.sources)
		default:
			out.sources = plus(out.sources, f.sources)
		}
	}
	return out
}

// change replaces one member's filter in a group by another: nil is none. If both
// are nil, own is added to the stack's own memberships. It reports ENOBUFS.
func (g *groups) change(a netip.Addr, old, f *sourceFilter, own int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.m[a]
	if x == nil {
		if f == nil && own <= 0 {
			return nil
		}
		if len(g.m) >= maxGroups {
			return unix.ENOBUFS
		}
		x = &group{}
		g.m[a] = x
	}
	x.own = max(0, x.own+own)
	if i := slices.Index(x.filters, old); old != nil && i >= 0 {
		x.filters = slices.Delete(x.filters, i, i+1)
	}
	if f != nil {
		x.filters = append(x.filters, f)
	}
	g.changed(a, x, x.merge())
	return nil
}

// changed takes note of a group's new filter, and of what is to be told of it.
func (g *groups) changed(a netip.Addr, x *group, to sourceFilter) {
	from := x.now
	x.now = to
	switch {
	case from.exclude != to.exclude:
		x.mode, x.allow, x.block = true, nil, nil
	case slices.Equal(from.sources, to.sources):
		if !x.used() && x.left == 0 {
			delete(g.m, a)
		}
		return
	case x.left > 0 && x.mode: // the mode is told with the sources as they are now
	default:
		came, went := minus(to.sources, from.sources), minus(from.sources, to.sources)
		if to.exclude {
			came, went = went, came
		}
		if x.left == 0 {
			x.mode, x.allow, x.block = false, nil, nil
		}
		x.allow, x.block = plus(minus(x.allow, went), came), plus(minus(x.block, came), went)
	}
	if !x.used() {
		x.respond = 0
	}
	if !g.tells(a) {
		x.left = 0
		if !x.used() {
			delete(g.m, a)
		}
		return
	}
	x.left, x.next = g.robustness(a), g.nic.stack.now()
}

// robustness is how often a change is told.
func (g *groups) robustness(a netip.Addr) int {
	if a.Is4() {
		return int(min(max(1, g.nic.stack.tune(tIGMPQrv)), 7))
	}
	return 2
}

// tells reports whether routers are told of a group. The caller holds the lock.
func (g *groups) tells(a netip.Addr) bool {
	n := g.nic
	if !g.up || n.loopback() || n.flags.Load()&unix.IFF_MULTICAST == 0 {
		return false
	}
	if a.Is4() {
		return a != allHosts4() && (!a.IsLinkLocalMulticast() || n.stack.tune(tIGMPLinkLocalMcastReports) != 0)
	}
	return a != header.IPv6AllNodes() && a.As16()[1]&15 >= 2
}

// allHosts4 is 224.0.0.1.
func allHosts4() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 1}) }

// joinOwn and leaveOwn change the stack's own memberships. The caller holds the
// stack's lock; routers are told after the change.
func (n *NIC) joinOwn(a netip.Addr, ev *events) {
	_ = n.mcast.change(a, nil, nil, 1)
	ev.then(n.mcast.tick)
}

func (n *NIC) leaveOwn(a netip.Addr, ev *events) {
	_ = n.mcast.change(a, nil, nil, -1)
	ev.then(n.mcast.tick)
}

// start tells of all groups: the interface came up. The caller holds the stack's lock.
func (g *groups) start(ev *events) {
	g.mu.Lock()
	first := !g.inLink
	g.up, g.inLink = true, true
	for a, x := range g.m {
		if x.used() && g.tells(a) {
			x.mode, x.left, x.next = true, g.robustness(a), g.nic.stack.now()
		}
	}
	g.mu.Unlock()
	if first {
		_ = g.change(allHosts4(), nil, nil, 1)
	}
	ev.then(g.tick)
}

// down forgets what was to be told.
func (g *groups) down() {
	g.mu.Lock()
	was := g.inLink
	g.up, g.inLink, g.oldUntil = false, false, [3]int64{}
	for a, x := range g.m {
		x.left, x.respond = 0, 0
		if !x.used() {
			delete(g.m, a)
		}
	}
	g.mu.Unlock()
	g.timer.stop()
	if was {
		_ = g.change(allHosts4(), nil, nil, -1)
	}
}

// repeat6 tells of the groups of IPv6 again, now that there is an address to do
// so from.
func (g *groups) repeat6() {
	g.mu.Lock()
	for a, x := range g.m {
		if a.Is6() && x.used() && g.tells(a) {
			x.mode, x.left, x.next = true, max(1, x.left), g.nic.stack.now()
		}
	}
	g.mu.Unlock()
	g.tick()
}

// member reports whether the interface is in a group.
func (n *NIC) member(a netip.Addr) bool {
	n.mcast.mu.Lock()
	defer n.mcast.mu.Unlock()
	x := n.mcast.m[a]
	return x != nil && x.used()
}

// wants reports whether packets of a source to a group are let in. Those of IGMP
// are, for routers.
func (n *NIC) wants(a, src netip.Addr, proto uint8) bool {
	if a.Is4() && proto == unix.IPPROTO_IGMP {
		return true
	}
	n.mcast.mu.Lock()
	defer n.mcast.mu.Unlock()
	x := n.mcast.m[a]
	return x != nil && x.used() && x.now.allows(src)
}

// Groups returns the groups that the interface is in, and how many are members of each.
func (n *NIC) Groups() map[netip.Addr]int {
	n.mcast.mu.Lock()
	defer n.mcast.mu.Unlock()
	out := make(map[netip.Addr]int, len(n.mcast.m))
	for a, x := range n.mcast.m {
		if x.used() {
			out[a] = x.own + len(x.filters)
		}
	}
	return out
}
