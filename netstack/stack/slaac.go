package stack

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// Routers and autoconfiguration: RFC 4861 section 6.3, RFC 4862 section 5.5, RFC
// 4191's routes, RFC 7559's solicitations.

// maxRouterRoutes bounds the routes that advertisements make on an interface.
const maxRouterRoutes = 64

// ndState is what an interface knows of routers. Guarded by the stack's lock.
type ndState struct {
	timer  timer // of all that has a deadline on the interface: see armAddrs
	router bool  // it is in the groups of routers
	ready  bool  // the interface is up and has had a carrier since

	solicitAt int64 // the next router solicitation; 0 is none
	solicits  int   // that are left; less than 0 is without an end
	wait      int64 // the time until the one after that

	routes []*route.Route // by advertisements, with or without a deadline
}

func (s *ndState) init(n *NIC) { s.timer.init(&n.stack.timers, n.addrTick) }

func (s *ndState) close() {
	s.timer.drop()
	s.solicitAt, s.routes = 0, nil
}

// stopRouters ends solicitations. The routes that advertisements made are the
// caller's to remove.
func (s *ndState) stopRouters() { s.solicitAt = 0 }

// deadline is when there is something to be done.
func (s *ndState) deadline() int64 {
	d := s.solicitAt
	for _, r := range s.routes {
		d = earlier(d, r.Expires)
	}
	return d
}

// acceptsRA reports whether advertisements are listened to: a router's own
// interfaces do so only with accept_ra 2.
func (n *NIC) acceptsRA() bool {
	v := n.conf6[conf6AcceptRA].Load()
	return v >= 2 || v == 1 && !n.forwards6()
}

// startRouters begins to solicit advertisements.
func (n *NIC) startRouters() {
	s := n.stack
	count := int(n.conf6[conf6RouterSolicitations].Load())
	if !n.acceptsRA() || n.loopback() || count == 0 || !n.isUp() {
		return
	}
	n.nd6.solicits = count
	n.nd6.wait = max(1, int64(n.conf6[conf6RouterSolicitationInterval].Load())) * second
	n.nd6.solicitAt = s.now() // the delay was before the address was looked for, where it was
	s.armAddrs(n)
}

// routersTick sends what is due and removes routes whose time is over.
func (n *NIC) routersTick(now int64, ev *events) {
	nd := &n.nd6
	if nd.solicitAt != 0 && nd.solicitAt <= now {
		ev.then(n.solicitRouters)
		if nd.solicits > 0 {
			nd.solicits--
		}
		nd.solicitAt = now + nd.wait*9/10 + n.stack.randomBelow(nd.wait/5)
		nd.wait = min(nd.wait*2, max(1, int64(n.conf6[conf6RouterSolicitationMaxInterval].Load()))*second)
		if nd.solicits == 0 {
			nd.solicitAt = 0
		}
	}
	n.dropRouterRoutes(ev, func(r *route.Route) bool { return r.Expires != 0 && r.Expires <= now })
}

// dropRouterRoutes removes the routes of advertisements that match says.
func (n *NIC) dropRouterRoutes(ev *events, match func(*route.Route) bool) {
	n.nd6.routes = slices.DeleteFunc(n.nd6.routes, func(r *route.Route) bool {
		if !match(r) {
			return false
		}
		gone, _ := n.stack.ribs[1].Delete(r.Table, r.Dst, func(o *route.Route) bool { return sameRouter(o, r) }, false)
		for _, g := range gone {
			ev.route(g, true)
		}
		return true
	})
}

// sameRouter reports whether two routes are one but for their lifetimes.
func sameRouter(o, r *route.Route) bool {
	return o.Dst == r.Dst && o.Protocol == r.Protocol && o.Priority == r.Priority && len(o.Hops) == 1 &&
		o.Hops[0].OIF == r.Hops[0].OIF && o.Hops[0].Gateway == r.Hops[0].Gateway
}

// forgetRouters removes all of them: the interface is a router's itself now.
func (n *NIC) forgetRouters(ev *events) {
	n.dropRouterRoutes(ev, func(r *route.Route) bool { return r.Protocol == unix.RTPROT_RA })
}

// noRouter says that a neighbour is no router: the routes through it go.
func (n *NIC) noRouter(a netip.Addr) {
	via := func(r *route.Route) bool { return r.Hops[0].Gateway == a }
	_ = n.stack.change(func(ev *events) error {
		n.dropRouterRoutes(ev, via)
		return nil
	})
}

// solicitRouters sends a router solicitation.
func (n *NIC) solicitRouters() {
	src := n.linkLocal()
	if !src.IsValid() {
		return
	}
	msg := make([]byte, header.NDRouterSolicitSize, header.NDRouterSolicitSize+8)
	header.ICMPv6(msg).Encode(header.ICMPv6Fields{Type: header.ICMPv6RouterSolicit})
	n.sendND(n.appendLink(msg, header.NDPOptSourceLink), src, header.IPv6AllRouters())
}

// routerSolicitIn learns where a host is that looks for routers; a routing daemon
// with a raw socket answers it.
func (n *NIC) routerSolicitIn(in *inbound, h header.NDRouterSolicit) {
	if !h.Valid() || !n.forwards6() || in.src.IsUnspecified() {
		return
	}
	if hw, ok := h.Options().Link(header.NDPOptSourceLink); ok && hw[0]&1 == 0 {
		n.learn6(neigh.Update{Addr: in.src, HW: link.Address(hw), HasHW: true, Override: true, Create: true, HasRouter: true})
	}
}

// routerAdvertIn takes a router advertisement in: RFC 4861 section 6.3.4.
func (n *NIC) routerAdvertIn(in *inbound, h header.NDRouterAdvert) {
	s := n.stack
	if !h.Valid() || !in.src.IsLinkLocalUnicast() || !n.acceptsRA() {
		return
	}
	if s.isLocal(in.src, 0) && n.conf6[conf6AcceptRAFromLocal].Load() == 0 {
		return
	}
	_ = s.change(func(ev *events) error {
		if !n.runs6() {
			return nil
		}
		n.advertised(in.src, h, ev)
		s.armAddrs(n)
		return nil
	})
	if hw, ok := h.Options().Link(header.NDPOptSourceLink); ok && hw[0]&1 == 0 {
		n.learn6(neigh.Update{
			Addr: in.src, HW: link.Address(hw), HasHW: true, Override: true, Create: true, Router: true, HasRouter: true,
		})
	}
}

// advertised does what an advertisement says. The caller holds the stack's lock.
func (n *NIC) advertised(router netip.Addr, h header.NDRouterAdvert, ev *events) {
	if h.Lifetime() > 0 {
		n.nd6.solicitAt = 0 // RFC 7559: there is a router
	}
	if v := int32(h.HopLimit()); v != 0 && v >= n.conf6[conf6AcceptRAMinHopLimit].Load() {
		n.conf6[conf6HopLimit].Store(v)
	}
	if n.ndp != nil {
		c := n.ndp.Config()
		if t := int64(h.ReachableTime()); t > 0 && t <= int64(time.Hour) {
			c.BaseReachable = t
		}
		if t := int64(h.RetransTimer()); t >= int64(time.Millisecond) && t <= int64(time.Hour) {
			c.Retrans = t
		}
		n.ndp.SetConfig(c)
	}
	if n.conf6[conf6AcceptRADefrtr].Load() != 0 {
		r := n.routerRoute(netip.PrefixFrom(netip.IPv6Unspecified(), 0), router)
		r.Priority = uint32(max(1, n.conf6[conf6RADefrtrMetric].Load()))
		r.Metrics.HopLimit = uint32(h.HopLimit())
		n.keepRoute(r, n.lifetime(h.Lifetime()), ev)
	}
	o := h.Options()
	for {
		opt, rest := o.Next()
		if opt == nil {
			return
		}
		o = rest
		n.advertisedOption(router, opt, ev)
	}
}

// lifetime is what is made of a lifetime: less than accept_ra_min_lft is none.
func (n *NIC) lifetime(d time.Duration) time.Duration {
	if d < time.Duration(n.conf6[conf6AcceptRAMinLft].Load())*time.Second {
		return 0
	}
	return d
}

func (n *NIC) advertisedOption(router netip.Addr, opt header.NDPOption, ev *events) {
	if mtu, ok := opt.MTU(); ok && n.conf6[conf6AcceptRAMTU].Load() != 0 {
		if mtu >= header.IPv6MinMTU && int(min(mtu, 1<<30)) <= n.MTU() {
			n.conf6[conf6MTU].Store(int32(mtu))
		}
	}
	if p, ok := opt.Prefix(); ok && n.conf6[conf6AcceptRAPinfo].Load() != 0 {
		n.advertisedPrefix(p, ev)
	}
	if p, ok := opt.Route(); ok && p.Prefix.Bits() > 0 && n.conf6[conf6AcceptRARtrPref].Load() != 0 &&
		p.Prefix.Bits() >= int(n.conf6[conf6AcceptRARtInfoMinPlen].Load()) &&
		p.Prefix.Bits() <= int(n.conf6[conf6AcceptRARtInfoMaxPlen].Load()) {
		r := n.routerRoute(p.Prefix, router)
		r.Priority = uint32(max(1, n.conf6[conf6RADefrtrMetric].Load()))
		n.keepRoute(r, n.lifetime(p.Lifetime), ev)
	}
}

func (n *NIC) routerRoute(dst netip.Prefix, router netip.Addr) *route.Route {
	r := n.kernelRoute(route.TableMain, unix.RTN_UNICAST, unix.RT_SCOPE_UNIVERSE, dst)
	r.Protocol, r.Hops[0].Gateway = unix.RTPROT_RA, router
	return r
}

// keepRoute puts a route into the place of the one that it renews, for a lifetime;
// 0 removes it.
func (n *NIC) keepRoute(r *route.Route, life time.Duration, ev *events) {
	n.dropRouterRoutes(ev, func(o *route.Route) bool { return sameRouter(o, r) })
	if life == 0 || len(n.nd6.routes) >= maxRouterRoutes {
		return
	}
	if life < header.NDPForever {
		r.Expires = n.stack.now() + int64(life)
	}
	if old, err := n.stack.ribs[1].Add(r, route.Append); err == nil && old == nil {
		n.nd6.routes = append(n.nd6.routes, r)
		ev.route(r, false)
	}
}

// advertisedPrefix takes a prefix in: a route if it is on the link, and an address
// of our own if that is what it is for.
func (n *NIC) advertisedPrefix(p header.NDPPrefix, ev *events) {
	a := p.Prefix.Addr()
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.Is4In6() || p.Preferred > p.Valid {
		return
	}
	life := n.lifetime(p.Valid)
	if p.OnLink {
		r := n.kernelRoute(route.TableMain, unix.RTN_UNICAST, unix.RT_SCOPE_UNIVERSE, p.Prefix)
		r.Priority = metric6
		n.keepRoute(r, life, ev)
	}
	if p.Autonomous && n.conf6[conf6Autoconf].Load() != 0 && p.Prefix.Bits() == 64 {
		n.autoconf(p, life, ev)
	}
}

// autoconf makes an address in a prefix, or renews it: RFC 4862 section 5.5.3.
func (n *NIC) autoconf(p header.NDPPrefix, life time.Duration, ev *events) {
	ip, flags, ok := n.autoAddr(p.Prefix.Addr())
	if !ok {
		return
	}
	old := n.find(ip)
	if old == nil {
		if life == 0 || len(n.list6()) >= int(max(0, n.conf6[conf6MaxAddresses].Load())) && n.conf6[conf6MaxAddresses].Load() > 0 {
			return
		}
		a := Addr{Prefix: netip.PrefixFrom(ip, 64), Protocol: addrProtoRA, Flags: flags | unix.IFA_F_MANAGETEMPADDR, Valid: finite(life), Preferred: finite(p.Preferred)}
		if p.Preferred == 0 {
			a.Flags |= unix.IFA_F_DEPRECATED
		}
		_ = n.addAddr(a, false, ev)
		return
	}
	if old.Protocol != addrProtoRA {
		return
	}
	// Nobody shortens a lifetime to less than two hours by one message.
	const floor = 2 * time.Hour
	now := n.stack.now()
	left := header.NDPForever
	if old.valid != 0 {
		left = time.Duration(old.valid - now)
	}
	switch {
	case life > floor || life > left:
	case left <= floor:
		life = left
	default:
		life = floor
	}
	x := &ifaddr{Addr: old.Addr}
	x.valid, x.preferred = n.at(life), n.at(p.Preferred)
	flags = old.flags.Load() &^ (unix.IFA_F_DEPRECATED | unix.IFA_F_PERMANENT)
	if x.valid == 0 {
		flags |= unix.IFA_F_PERMANENT
	}
	if p.Preferred == 0 {
		flags |= unix.IFA_F_DEPRECATED
	}
	n.replaceAddr(old, x, flags, ev)
}

// finite is a lifetime as Addr has it: 0 is for ever.
func finite(d time.Duration) time.Duration {
	if d >= header.NDPForever {
		return 0
	}
	return d
}

// at is the deadline of a lifetime that begins now, 0 for one without an end.
func (n *NIC) at(d time.Duration) int64 {
	if d >= header.NDPForever {
		return 0
	}
	return n.stack.now() + int64(d)
}
