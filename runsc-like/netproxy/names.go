package netproxy

import (
	"net/netip"
	"sync"
	"time"
)

// names remembers by which names addresses were found.
type names struct {
	mu sync.Mutex // guards byAddr
	// byAddr has for each address its names, and until when they count.
	byAddr map[netip.Addr]map[string]lifetime
}

// lifetime is until when a name counts, as one that was asked for and as an alias on
// the way from that to the address.
type lifetime struct{ asked, alias time.Time }

// The bounds of what is remembered. An answer counts for longer than it says: the
// guest keeps connecting to what it has found.
const (
	maxAddrs    = 16384
	maxNames    = 16 // of an address
	minLifetime = 10 * time.Minute
	maxLifetime = 24 * time.Hour
)

func newNames() *names { return &names{byAddr: map[netip.Addr]map[string]lifetime{}} }

// learn notes that a is an address of the name that was asked for, by way of some
// aliases, for so long.
func (n *names) learn(a netip.Addr, asked string, aliases []string, ttl time.Duration, now time.Time) {
	until := now.Add(min(max(ttl, minLifetime), maxLifetime))
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.byAddr[a]
	if m == nil {
		if len(n.byAddr) >= maxAddrs {
			n.forget(now)
		}
		m = map[string]lifetime{}
		n.byAddr[a] = m
	}
	note := func(name string, set func(l *lifetime)) {
		l, known := m[name]
		if known || len(m) < maxNames {
			set(&l)
			m[name] = l
		}
	}
	note(asked, func(l *lifetime) { l.asked = until })
	for _, name := range aliases {
		note(name, func(l *lifetime) { l.alias = until })
	}
}

// forget makes room: what is over goes, and if that is little, anything. An eighth
// is free then, so that this is done seldom.
func (n *names) forget(now time.Time) {
	for a, m := range n.byAddr {
		for name, l := range m {
			if l.asked.Before(now) && l.alias.Before(now) {
				delete(m, name)
			}
		}
		if len(m) == 0 {
			delete(n.byAddr, a)
		}
	}
	for a := range n.byAddr {
		if len(n.byAddr) < maxAddrs-maxAddrs/8 {
			return
		}
		delete(n.byAddr, a)
	}
}

// of returns the names of an address.
func (n *names) of(a netip.Addr, now time.Time) (f found) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, l := range n.byAddr[a] {
		if l.asked.After(now) {
			f.asked = append(f.asked, name)
		}
		if l.alias.After(now) {
			f.aliases = append(f.aliases, name)
		}
	}
	return f
}
