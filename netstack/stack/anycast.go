package stack

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/route"
)

// joinAnycast takes an anycast address on (IPV6_JOIN_ANYCAST): packets to it are
// for us, and solicitations for it are answered.
func (n *NIC) joinAnycast(a netip.Addr) {
	_ = n.stack.change(func(ev *events) error {
		if n.gone.Load() {
			return nil
		}
		if n.anycasts.add(a, 1) == 1 {
			n.stack.addRoute(ev, n.kernelRoute(route.TableLocal, unix.RTN_ANYCAST, unix.RT_SCOPE_UNIVERSE, netip.PrefixFrom(a, 128)))
			n.joinOwn(header.SolicitedNode(a), ev)
		}
		return nil
	})
}

// leaveAnycast undoes one joinAnycast.
func (n *NIC) leaveAnycast(a netip.Addr) {
	_ = n.stack.change(func(ev *events) error {
		if n.anycasts.count(a) == 0 || n.anycasts.add(a, -1) > 0 {
			return nil
		}
		gone, _ := n.stack.ribs[1].Delete(route.TableLocal, netip.PrefixFrom(a, 128), func(r *route.Route) bool {
			return r.Type == unix.RTN_ANYCAST && r.HasOIF(n.index)
		}, false)
		for _, r := range gone {
			ev.route(r, true)
		}
		n.leaveOwn(header.SolicitedNode(a), ev)
		return nil
	})
}

// anycast reports whether a is an anycast address of the interface.
func (n *NIC) anycast(a netip.Addr) bool { return n.anycasts.count(a) > 0 }

// anycastHere reports whether a is an anycast address of ours.
func (s *Stack) anycastHere(a netip.Addr) bool {
	if !a.Is6() {
		return false
	}
	for _, n := range s.NICs() {
		if n.anycast(a) {
			return true
		}
	}
	return false
}

// addrCounts counts addresses.
type addrCounts struct {
	mu sync.Mutex
	m  map[netip.Addr]int
}

// add adds d to the count of an address and returns it.
func (c *addrCounts) add(a netip.Addr, d int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[netip.Addr]int{}
	}
	n := c.m[a] + d
	if n > 0 {
		c.m[a] = n
	} else {
		delete(c.m, a)
	}
	return n
}

func (c *addrCounts) count(a netip.Addr) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[a]
}

// onLink6 reports whether an address is in one of the interface's own networks.
func (n *NIC) onLink6(a netip.Addr) bool {
	for _, x := range n.list6() {
		if x.Prefix.Masked().Contains(a) {
			return true
		}
	}
	return false
}
