package stack

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/route"
)

// maxAddrs bounds the addresses of an interface in one family.
const maxAddrs = 4096

// loopbackAddr is what the loopback interface gets when it comes up without any.
func loopbackAddr() Addr {
	return Addr{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8), Scope: unix.RT_SCOPE_HOST, Flags: unix.IFA_F_PERMANENT}
}

// AddAddr adds an address, with its local and prefix routes: EEXIST. replace
// changes one that is there.
func (n *NIC) AddAddr(a Addr, replace bool) error {
	return n.stack.change(func(ev *events) error {
		if n.gone.Load() {
			return unix.ENODEV
		}
		return n.addAddr(a, replace, ev)
	})
}

// DelAddr removes an address: EADDRNOTAVAIL.
func (n *NIC) DelAddr(p netip.Prefix) error {
	return n.stack.change(func(ev *events) error {
		a := n.find(p.Addr())
		if a == nil || a.Prefix.Bits() != p.Bits() {
			return unix.EADDRNOTAVAIL
		}
		n.dropAddr(a, ev)
		return nil
	})
}

// Addrs returns the addresses of the interface.
func (n *NIC) Addrs() []Addr {
	var out []Addr
	for _, a := range slices.Concat(n.list4(), n.list6()) {
		out = append(out, n.told(a))
	}
	return out
}

// told is an address with its flags and what is left of its lifetimes.
func (n *NIC) told(a *ifaddr) Addr {
	t := a.Addr
	t.Flags = a.flags.Load()
	now := n.stack.now()
	left := func(deadline int64) time.Duration {
		if deadline == 0 {
			return 0
		}
		return time.Duration(max(1, deadline-now))
	}
	t.Preferred, t.Valid = left(a.preferred), left(a.valid)
	return t
}

// addAddr is AddAddr with the stack's lock.
func (n *NIC) addAddr(a Addr, replace bool, ev *events) error {
	addr := a.Prefix.Addr()
	if !a.Prefix.IsValid() || addr.Is4In6() || addr.IsMulticast() || addr.IsUnspecified() && addr.Is6() {
		return unix.EINVAL
	}
	if addr.Is6() && n.conf6[conf6DisableIpv6].Load() != 0 {
		return unix.EACCES
	}
	x := &ifaddr{Addr: a}
	now := n.stack.now()
	if a.Valid != 0 {
		x.valid = now + int64(a.Valid)
	}
	if a.Preferred != 0 {
		x.preferred = now + int64(a.Preferred)
	}
	flags := a.Flags
	if a.Valid == 0 {
		flags |= unix.IFA_F_PERMANENT
	}
	if x.Label == "" && addr.Is4() {
		x.Label = n.Name()
	}
	list := n.list4()
	if addr.Is6() {
		list = n.list6()
	}
	if len(list) >= maxAddrs {
		return unix.ENOBUFS
	}
	if old := n.find(addr); old != nil && (addr.Is6() || old.Prefix.Bits() == a.Prefix.Bits()) {
		if !replace {
			return unix.EEXIST
		}
		n.replaceAddr(old, x, flags, ev)
		return nil
	}
	if addr.Is4() {
		for _, o := range list {
			if o.Prefix.Masked() != a.Prefix.Masked() {
				continue
			}
			if o.Scope != a.Scope {
				return unix.EINVAL
			}
			flags |= unix.IFA_F_SECONDARY
		}
	} else {
		if !addr.IsLoopback() {
			x.Scope = scope6(addr)
		}
		flags = n.startDAD(x, flags, ev)
	}
	x.flags.Store(flags)
	n.setList(addr.Is6(), slices.Insert(slices.Clone(list), place(list, x), x))
	if n.isUp() || addr.Is4() {
		n.addRoutes(x, ev)
	}
	if addr.Is6() {
		n.addrJoined6(x, ev)
		if n.isUp() && !n.nd6.ready && !n.loopback() {
			n.stack.addRoute(ev, n.multicastRoute6())
		}
	} else {
		n.announced4(x, ev)
	}
	ev.addr(n, x, false)
	n.stack.armAddrs(n)
	return nil
}

// scope6 is the scope (RT_SCOPE_*) of an address of IPv6, which is in the address.
func scope6(a netip.Addr) uint8 {
	b := a.As16()
	switch {
	case a.IsLoopback():
		return unix.RT_SCOPE_HOST
	case a.IsLinkLocalUnicast():
		return unix.RT_SCOPE_LINK
	case b[0] == 0xfe && b[1]&0xc0 == 0xc0:
		return unix.RT_SCOPE_SITE
	}
	return unix.RT_SCOPE_UNIVERSE
}

// place is where an address goes in the list of its interface, as Linux orders it:
// of IPv4 the primary ones by their scope, the nearest first, and then the secondary
// ones; of IPv6 the widest scope first, and of one scope what came last.
func place(list []*ifaddr, x *ifaddr) int {
	if x.Prefix.Addr().Is6() {
		for i, o := range list {
			if o.Scope >= x.Scope {
				return i
			}
		}
		return len(list)
	}
	if x.flags.Load()&unix.IFA_F_SECONDARY != 0 {
		return len(list)
	}
	at := 0
	for i, o := range list {
		if o.flags.Load()&unix.IFA_F_SECONDARY == 0 && x.Scope <= o.Scope {
			at = i + 1
		}
	}
	return at
}

// replaceAddr puts x into the place of an address of the same prefix.
func (n *NIC) replaceAddr(old, x *ifaddr, flags uint32, ev *events) {
	x.flags.Store(flags&^unix.IFA_F_SECONDARY | old.flags.Load()&(unix.IFA_F_SECONDARY|unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED))
	x.dad = old.dad
	l := slices.Clone(n.list4())
	if x.Prefix.Addr().Is6() {
		l = slices.Clone(n.list6())
	}
	l[slices.Index(l, old)] = x
	n.setList(x.Prefix.Addr().Is6(), l)
	ev.addr(n, x, false)
	n.stack.armAddrs(n)
}

func (n *NIC) setList(v6 bool, l []*ifaddr) {
	if v6 {
		n.addrs6.Store(&l)
	} else {
		n.addrs4.Store(&l)
	}
}

// dropAddr removes an address with its routes; of a primary one of IPv4 the
// secondary ones of its subnet go too, or the first of them is promoted.
func (n *NIC) dropAddr(a *ifaddr, ev *events) {
	v6 := a.Prefix.Addr().Is6()
	l := n.list4()
	if v6 {
		l = n.list6()
	}
	i := slices.Index(l, a)
	if i < 0 {
		return
	}
	n.setList(v6, slices.Delete(slices.Clone(l), i, i+1))
	n.removeRoutes(a, ev)
	if v6 {
		n.addrLeft6(a, ev)
	}
	ev.addr(n, a, true)
	if v6 || a.flags.Load()&unix.IFA_F_SECONDARY != 0 {
		return
	}
	promote := n.or4(conf4PromoteSecondaries)
	for _, o := range n.list4() {
		if o.Prefix.Masked() != a.Prefix.Masked() || o.flags.Load()&unix.IFA_F_SECONDARY == 0 {
			continue
		}
		if !promote {
			n.dropAddr(o, ev)
			continue
		}
		o.flags.Store(o.flags.Load() &^ unix.IFA_F_SECONDARY)
		rest := slices.DeleteFunc(slices.Clone(n.list4()), func(x *ifaddr) bool { return x == o })
		n.setList(false, slices.Insert(rest, place(rest, o), o))
		n.addRoutes(o, ev)
		ev.addr(n, o, false)
		return
	}
}

// kernelRoute is a route as the kernel itself makes it.
func (n *NIC) kernelRoute(table uint32, typ route.Type, scope uint8, dst netip.Prefix) *route.Route {
	return &route.Route{
		Dst: dst, Table: table, Protocol: unix.RTPROT_KERNEL, Scope: scope, Type: typ,
		Hops: []route.Hop{{OIF: n.index}},
	}
}

func (n *NIC) addRoutes(a *ifaddr, ev *events) {
	if a.Prefix.Addr().Is6() {
		n.addRoutes6(a, ev)
	} else {
		n.addRoutes4(a, ev)
	}
}

// routes4 are the routes of an address: to itself, and if the interface is up to
// its network and the broadcast addresses.
func (n *NIC) routes4(a *ifaddr, up bool) []*route.Route {
	addr := a.Prefix.Addr()
	local := n.kernelRoute(route.TableLocal, unix.RTN_LOCAL, unix.RT_SCOPE_HOST, netip.PrefixFrom(addr, 32))
	local.Source = n.primary(a)
	rs := []*route.Route{local}
	if !up {
		return rs
	}
	broadcast := func(b netip.Addr) {
		r := n.kernelRoute(route.TableLocal, unix.RTN_BROADCAST, unix.RT_SCOPE_LINK, netip.PrefixFrom(b, 32))
		r.Source = addr
		rs = append(rs, r)
	}
	limited := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	last := lastAddr(a.Prefix)
	if a.Broadcast.IsValid() && a.Broadcast != limited && !(a.Prefix.Bits() < 31 && a.Broadcast == last) {
		broadcast(a.Broadcast)
	}
	network := a.Prefix.Masked()
	if a.Peer.IsValid() && a.Peer != addr {
		network = netip.PrefixFrom(a.Peer, a.Prefix.Bits()).Masked()
	}
	if network.Bits() == 0 || a.flags.Load()&unix.IFA_F_SECONDARY != 0 || network.Bits() == 32 && network.Addr() == addr {
		return rs
	}
	if a.flags.Load()&unix.IFA_F_NOPREFIXROUTE == 0 {
		typ, table, scope := route.Type(unix.RTN_UNICAST), uint32(route.TableMain), uint8(unix.RT_SCOPE_LINK)
		if n.loopback() {
			typ, table, scope = unix.RTN_LOCAL, route.TableLocal, unix.RT_SCOPE_HOST
		}
		r := n.kernelRoute(table, typ, scope, network)
		r.Source, r.Priority = addr, a.Metric
		rs = append(rs, r)
	}
	if network.Bits() < 31 {
		broadcast(lastAddr(network))
	}
	return rs
}

// primary is the primary address of a's subnet.
func (n *NIC) primary(a *ifaddr) netip.Addr {
	if a.flags.Load()&unix.IFA_F_SECONDARY != 0 {
		for _, o := range n.list4() {
			if o.Prefix.Masked() == a.Prefix.Masked() && o.flags.Load()&unix.IFA_F_SECONDARY == 0 {
				return o.Prefix.Addr()
			}
		}
	}
	return a.Prefix.Addr()
}

// lastAddr is the address of a network of IPv4 whose host bits are all set.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

func (n *NIC) addRoutes4(a *ifaddr, ev *events) {
	for _, r := range n.routes4(a, n.isUp()) {
		n.stack.addRoute(ev, r)
	}
}

// removeRoutes removes the routes that came with an address, unless another
// address of the interface asks for the same.
func (n *NIC) removeRoutes(a *ifaddr, ev *events) {
	v6 := a.Prefix.Addr().Is6()
	var mine []*route.Route
	others := map[routeID]bool{}
	if v6 {
		mine = n.routes6(a)
		for _, o := range n.list6() {
			for _, r := range n.routes6(o) {
				others[idOf(r)] = true
			}
		}
	} else {
		mine = n.routes4(a, true)
		for _, o := range n.list4() {
			for _, r := range n.routes4(o, true) {
				others[idOf(r)] = true
			}
		}
	}
	for _, r := range mine {
		if others[idOf(r)] {
			continue
		}
		gone, _ := n.stack.RIB(v6).Delete(r.Table, r.Dst, func(o *route.Route) bool {
			return o.Type == r.Type && o.Protocol == unix.RTPROT_KERNEL && o.HasOIF(n.index) &&
				(o.Source == r.Source || r.Type == unix.RTN_LOCAL)
		}, false)
		for _, g := range gone {
			ev.route(g, true)
		}
	}
	// Routes that name the address as their source go with it.
	addr := a.Prefix.Addr()
	if n.stack.isLocal(addr, 0) {
		return
	}
	for _, g := range n.stack.RIB(v6).Flush(func(r *route.Route) bool { return !v6 && r.Source == addr }) {
		ev.route(g, true)
	}
}

// routeID is what two routes of addresses are compared by.
type routeID struct {
	table  uint32
	dst    netip.Prefix
	typ    route.Type
	source netip.Addr
}

func idOf(r *route.Route) routeID { return routeID{r.Table, r.Dst, r.Type, r.Source} }

// onlyHere reports whether a route goes through this interface and no other.
func (n *NIC) onlyHere(r *route.Route) bool {
	if len(r.Hops) == 0 {
		return false
	}
	for _, h := range r.Hops {
		if h.OIF != n.index {
			return false
		}
	}
	// The local routes of addresses of IPv4 stay as long as the addresses do.
	return !(r.Type == unix.RTN_LOCAL && r.Dst.Addr().Is4() && r.Dst.IsSingleIP() && r.Protocol == unix.RTPROT_KERNEL && n.find(r.Dst.Addr()) != nil)
}

// isLocal reports whether a is an address of ours, of the interface if device is
// not 0.
func (s *Stack) isLocal(a netip.Addr, device int) bool {
	if a.Is4() {
		r, ok := s.ribs[0].LookupTable(route.TableLocal, &route.Flow{Dst: a})
		return ok && r.Route.Type == unix.RTN_LOCAL && (device == 0 || r.Hop.OIF == device)
	}
	if device != 0 {
		n := s.NIC(device)
		return n != nil && n.find(a) != nil && n.find(a).usable()
	}
	for _, n := range s.NICs() {
		if x := n.find(a); x != nil && x.usable() {
			return true
		}
	}
	return false
}

// usable reports whether packets may bear the address.
func (a *ifaddr) usable() bool {
	f := a.flags.Load()
	return f&unix.IFA_F_DADFAILED == 0 && (f&unix.IFA_F_TENTATIVE == 0 || f&unix.IFA_F_OPTIMISTIC != 0)
}

// isBroadcast reports whether a is a broadcast address here.
func (s *Stack) isBroadcast(a netip.Addr) bool {
	if a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	r, ok := s.ribs[0].LookupTable(route.TableLocal, &route.Flow{Dst: a})
	return ok && r.Route.Type == unix.RTN_BROADCAST
}

// nicOf returns the interface that has the address, or nil.
func (s *Stack) nicOf(a netip.Addr) *NIC {
	for _, n := range s.NICs() {
		if n.find(a) != nil {
			return n
		}
	}
	return nil
}

// defaultNIC returns the interface that packets to a leave through, or nil.
func (s *Stack) defaultNIC(a netip.Addr) *NIC {
	p, err := s.findPath(&pathQuery{dst: a, anySource: true})
	if err != nil {
		return nil
	}
	return p.nic
}

// candidates are the addresses that packets may bear as their source.
func (s *Stack) candidates(v6 bool) []route.Candidate {
	var out []route.Candidate
	for _, n := range s.NICs() {
		if !n.isUp() {
			continue
		}
		l := n.list4()
		if v6 {
			l = n.list6()
		}
		for _, a := range l {
			f := a.flags.Load()
			out = append(out, route.Candidate{
				Prefix: a.Prefix, OIF: n.index, Scope: a.Scope, Deprecated: f&unix.IFA_F_DEPRECATED != 0,
				Temporary: v6 && f&unix.IFA_F_TEMPORARY != 0, Tentative: !a.usable(), Secondary: !v6 && f&unix.IFA_F_SECONDARY != 0,
				Home: f&unix.IFA_F_HOMEADDRESS != 0,
			})
		}
	}
	return out
}

// linkLocal returns the interface's link-local address of IPv6, or one that is
// not valid.
func (n *NIC) linkLocal() netip.Addr {
	for _, a := range n.list6() {
		if a.Prefix.Addr().IsLinkLocalUnicast() && a.usable() {
			return a.Prefix.Addr()
		}
	}
	return netip.Addr{}
}

// eui64 is the link-local address that is made of the hardware address.
func (n *NIC) eui64() netip.Addr {
	return header.EUI64(linkLocalPrefix(), n.Address())
}
