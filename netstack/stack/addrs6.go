package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/route"
)

// metric6 is the metric of routes of IPv6 that the kernel makes: IP6_RT_PRIO_ADDRCONF.
const metric6 = 256

// multicast6 is all groups of IPv6.
func multicast6() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xff}), 8) }

// routes6 are the routes of an address: to itself, and to its prefix.
func (n *NIC) routes6(a *ifaddr) []*route.Route {
	addr := a.Prefix.Addr()
	local := n.kernelRoute(route.TableLocal, unix.RTN_LOCAL, unix.RT_SCOPE_UNIVERSE, netip.PrefixFrom(addr, 128))
	rs := []*route.Route{local}
	dst := a.Prefix.Masked()
	if a.Peer.IsValid() && a.Peer != addr {
		dst = netip.PrefixFrom(a.Peer, a.Prefix.Bits()).Masked()
	}
	// The prefix of an address that a router advertised is the router's to route, and
	// that which the loopback interface comes up with has none.
	if a.flags.Load()&unix.IFA_F_NOPREFIXROUTE == 0 && a.Protocol != addrProtoRA && a.Protocol != addrProtoLO && dst.Bits() > 0 {
		r := n.kernelRoute(route.TableMain, unix.RTN_UNICAST, unix.RT_SCOPE_UNIVERSE, dst)
		if r.Priority = a.Metric; r.Priority == 0 {
			r.Priority = metric6
		}
		rs = append(rs, r)
	}
	return rs
}

// addRoutes6 adds the routes of an address; the one to itself once it is known
// to be nobody else's.
func (n *NIC) addRoutes6(a *ifaddr, ev *events) {
	for _, r := range n.routes6(a) {
		if r.Type == unix.RTN_LOCAL && !a.usable() {
			continue
		}
		n.stack.addRoute(ev, r)
	}
}

// runs6 reports whether the interface speaks IPv6: RFC 8200 asks for an MTU of 1280.
func (n *NIC) runs6() bool {
	return n.isUp() && n.conf6[conf6DisableIpv6].Load() == 0 && n.MTU() >= header.IPv6MinMTU
}

// up6 starts IPv6 on an interface that came up, or got its carrier afterwards: the groups that every node is in,
// the link-local address, and duplicate address detection of those that are kept.
func (n *NIC) up6(ev *events) {
	if !n.runs6() || !n.carrier.Load() {
		return
	}
	n.nd6.ready = true
	n.joinNodes(ev)
	for _, a := range n.list6() {
		a.flags.Store(n.startDAD(a, a.flags.Load()&^unix.IFA_F_DADFAILED, ev))
		n.addRoutes6(a, ev)
		n.addrJoined6(a, ev)
	}
	if n.loopback() {
		_ = n.addAddr(Addr{Prefix: netip.PrefixFrom(netip.IPv6Loopback(), 128), Scope: unix.RT_SCOPE_HOST, Flags: unix.IFA_F_PERMANENT, Protocol: addrProtoLO}, false, ev)
		return
	}
	n.stack.addRoute(ev, n.multicastRoute6())
	n.makeLinkLocal(ev)
}

// The values of IFA_PROTO.
const (
	addrProtoLO = 1
	addrProtoRA = 2
	addrProtoLL = 3
)

func (n *NIC) multicastRoute6() *route.Route {
	r := n.kernelRoute(route.TableLocal, unix.RTN_MULTICAST, unix.RT_SCOPE_UNIVERSE, multicast6())
	r.Priority = metric6
	return r
}

// joinNodes joins the groups of all nodes, and as a router those of all routers.
func (n *NIC) joinNodes(ev *events) {
	n.joinOwn(header.IPv6AllNodes(), ev)
	n.joinOwn(interfaceNodes(), ev)
	if n.forwards6() {
		n.joinRouters(ev)
	}
}

// interfaceNodes is ff01::1.
func interfaceNodes() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xff, 1: 1, 15: 1}) }

// routerGroups are the groups that a router is in: ff02::2, ff01::2 and ff05::2.
func routerGroups() [3]netip.Addr {
	return [3]netip.Addr{
		header.IPv6AllRouters(), netip.AddrFrom16([16]byte{0: 0xff, 1: 1, 15: 2}), netip.AddrFrom16([16]byte{0: 0xff, 1: 5, 15: 2}),
	}
}

func (n *NIC) joinRouters(ev *events) {
	if n.nd6.router {
		return
	}
	n.nd6.router = true
	for _, g := range routerGroups() {
		n.joinOwn(g, ev)
	}
}

func (n *NIC) leaveRouters(ev *events) {
	if !n.nd6.router {
		return
	}
	n.nd6.router = false
	for _, g := range routerGroups() {
		n.leaveOwn(g, ev)
	}
}

// down6 ends IPv6 on an interface that goes down: its addresses go, unless
// keep_addr_on_down has the permanent ones stay.
func (n *NIC) down6(ev *events) {
	keep := n.conf6[conf6KeepAddrOnDown].Load() > 0 || n.stack.conf6All[conf6KeepAddrOnDown].Load() > 0
	for _, a := range n.list6() {
		if keep && a.flags.Load()&unix.IFA_F_PERMANENT != 0 && !a.Prefix.Addr().IsLinkLocalUnicast() {
			n.removeRoutes(a, ev)
			n.addrLeft6(a, ev)
			a.dad = dadState{}
			continue
		}
		n.dropAddr(a, ev)
	}
	n.nd6.ready = false
	n.nd6.stopRouters()
	n.leaveRouters(ev)
	n.leaveOwn(header.IPv6AllNodes(), ev)
	n.leaveOwn(interfaceNodes(), ev)
}

// addrJoined6 joins the group in which the address's solicitations arrive.
func (n *NIC) addrJoined6(a *ifaddr, ev *events) {
	if n.isUp() && !n.loopback() && n.flags.Load()&unix.IFF_NOARP == 0 && !a.dad.joined {
		a.dad.joined = true
		n.joinOwn(header.SolicitedNode(a.Prefix.Addr()), ev)
	}
}

func (n *NIC) addrLeft6(a *ifaddr, ev *events) {
	if a.dad.joined {
		a.dad.joined = false
		n.leaveOwn(header.SolicitedNode(a.Prefix.Addr()), ev)
	}
}

// forwarding6Changed makes the interface a router's or a host's.
func (n *NIC) forwarding6Changed() {
	_ = n.stack.change(func(ev *events) error {
		if !n.runs6() {
			return nil
		}
		if !n.forwards6() {
			n.leaveRouters(ev)
			n.startRouters()
			return nil
		}
		n.joinRouters(ev)
		if n.conf6[conf6AcceptRA].Load() < 2 {
			n.nd6.stopRouters()
			n.forgetRouters(ev)
		}
		return nil
	})
}

// ipv6Toggled makes disable_ipv6 true, or ends it.
func (n *NIC) ipv6Toggled() {
	_ = n.stack.change(func(ev *events) error {
		if !n.isUp() {
			return nil
		}
		if n.conf6[conf6DisableIpv6].Load() == 0 {
			n.up6(ev)
			return nil
		}
		n.nd6.stopRouters()
		for _, a := range n.list6() {
			n.dropAddr(a, ev)
		}
		for _, r := range n.stack.ribs[1].Flush(n.onlyHere) {
			ev.route(r, true)
		}
		return nil
	})
}

// The lifetimes of addresses, duplicate address detection and routers' routes
// share one timer of the interface.

// armAddrs sets the timer by the first deadline. The caller holds the stack's lock.
func (s *Stack) armAddrs(n *NIC) {
	next := n.nd6.deadline()
	for _, l := range [2][]*ifaddr{n.list4(), n.list6()} {
		for _, a := range l {
			for _, d := range [3]int64{a.preferredAt(), a.valid, a.dad.next} {
				next = earlier(next, d)
			}
		}
	}
	if next != 0 {
		n.nd6.timer.set(next)
	} else {
		n.nd6.timer.stop()
	}
}

// earlier is the earlier of two deadlines of which 0 is never.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// preferredAt is when the address becomes deprecated, 0 if never or already.
func (a *ifaddr) preferredAt() int64 {
	if a.flags.Load()&unix.IFA_F_DEPRECATED != 0 {
		return 0
	}
	return a.preferred
}

// addrTick does what is due on an interface.
func (n *NIC) addrTick() {
	s := n.stack
	_ = s.change(func(ev *events) error {
		if n.gone.Load() {
			return nil
		}
		now := s.now()
		for _, l := range [2][]*ifaddr{n.list4(), n.list6()} {
			for _, a := range l {
				if a.valid != 0 && a.valid <= now {
					n.dropAddr(a, ev)
					continue
				}
				if d := a.preferredAt(); d != 0 && d <= now {
					a.flags.Or(unix.IFA_F_DEPRECATED)
					ev.addr(n, a, false)
				}
				if a.dad.next != 0 && a.dad.next <= now {
					n.dadTick(a, now, ev)
				}
			}
		}
		n.routersTick(now, ev)
		s.armAddrs(n)
		return nil
	})
}
