package stack

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/route"
)

// newPath starts a path: what it is made of is looked at after this.
func (s *Stack) newPath(q *pathQuery) *path {
	return &path{
		stack: s, dst: q.dst, src: q.src, hop: q.dst,
		epoch: s.epoch.Load(), gen: s.RIB(q.dst.Is6()).Generation(),
	}
}

func limitedBroadcast(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// linkScope4 reports whether packets to a never leave the link.
func linkScope4(a netip.Addr) bool {
	return limitedBroadcast(a) || a.IsLinkLocalMulticast()
}

// findPath4 is findPath for IPv4.
func (s *Stack) findPath4(q *pathQuery) (*path, error) {
	p := s.newPath(q)
	oif := q.oif
	if oif == 0 {
		switch {
		case q.dst.IsMulticast():
			oif = q.mcastIf
			if !p.src.IsValid() {
				p.src = q.mcastSrc
			}
		default:
			oif = q.unicastIf
		}
	}
	if p.src.IsValid() && p.src.IsUnspecified() {
		p.src = netip.Addr{}
	}
	if p.src.IsValid() && !q.anySource {
		if p.src.IsMulticast() || limitedBroadcast(p.src) {
			return nil, unix.EINVAL
		}
		if !s.isLocal(p.src, 0) {
			return nil, unix.ENETUNREACH
		}
		if oif == 0 && (q.dst.IsMulticast() || limitedBroadcast(q.dst)) {
			if n := s.nicOf(p.src); n != nil {
				oif = n.index
			}
		}
	}
	if oif != 0 {
		n := s.NIC(oif)
		if n == nil {
			return nil, unix.ENODEV
		}
		if !n.isUp() {
			return nil, unix.ENETUNREACH
		}
		if linkScope4(q.dst) || q.proto == unix.IPPROTO_IGMP {
			return s.direct4(p, n, unix.RT_SCOPE_LINK)
		}
	}
	if q.dst.IsUnspecified() {
		p.dst = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if p.src.IsValid() {
			p.dst = p.src
		}
		p.hop = p.dst
	}
	return s.lookup4(p, q, oif)
}

// direct4 is a path straight out of an interface, without a route.
func (s *Stack) direct4(p *path, n *NIC, scope uint8) (*path, error) {
	p.nic = n
	if !p.src.IsValid() {
		src, ok := route.Source4(netip.Addr{}, n.index, scope, s.candidates(false))
		if !ok {
			src = netip.IPv4Unspecified()
		}
		p.src = src
	}
	switch {
	case p.dst.IsMulticast():
		p.kind = toMulticast
	case limitedBroadcast(p.dst):
		p.kind = toBroadcast
	}
	p.size = n.ipMTU()
	return p, nil
}

// ipMTU is the interface's MTU as far as a packet of IP can use it.
func (n *NIC) ipMTU() int { return min(n.MTU(), 65535) }

// ip6MTU is that for IPv6, whose length does not count its header.
func (n *NIC) ip6MTU() int { return min(n.MTU(), 65535+header.IPv6Size) }

func (s *Stack) lookup4(p *path, q *pathQuery, oif int) (*path, error) {
	key := tupleOf(q.proto, netip.AddrPortFrom(q.orAny(), q.sport), netip.AddrPortFrom(p.dst, q.dport))
	f := route.Flow{
		Dst: p.dst, Src: p.src, OIF: oif, TOS: q.tos & 0x1c, Mark: q.mark, UID: q.uid, Proto: q.proto,
		SrcPort: q.sport, DstPort: q.dport, Hash: key.hash(s.demux.secret),
	}
	r, err := s.ribs[0].Lookup(&f)
	if err == unix.ENETUNREACH && oif != 0 && r.Route == nil {
		// As Linux has it: an interface that is named is taken to reach it.
		return s.direct4(p, s.NIC(oif), unix.RT_SCOPE_UNIVERSE)
	}
	if err != nil {
		s.count(cIpOutNoRoutes)
		return nil, err
	}
	p.route = r.Route
	if r.Route.Type == unix.RTN_LOCAL {
		p.kind, p.nic = toLocal, s.NIC(1)
		if !p.src.IsValid() {
			if p.src = r.Route.Source; !p.src.IsValid() || p.dst.IsLoopback() {
				p.src = p.dst
			}
			if p.dst.IsLoopback() && r.Route.Source.IsValid() {
				p.src = r.Route.Source
			}
		}
		p.size = p.nic.ipMTU()
		if m := int(r.Route.Metrics.MTU); m != 0 {
			p.size = min(p.size, m)
		}
		return p, nil
	}
	if p.nic = s.NIC(r.Hop.OIF); p.nic == nil {
		return nil, unix.ENETUNREACH
	}
	if r.Hop.Gateway.IsValid() {
		if q.direct {
			return nil, unix.ENETUNREACH
		}
		p.hop, p.gw = r.Hop.Gateway, true
	}
	switch {
	case p.dst.IsMulticast():
		p.kind = toMulticast
	case r.Route.Type == unix.RTN_BROADCAST || limitedBroadcast(p.dst):
		p.kind = toBroadcast
	}
	if !p.src.IsValid() {
		if p.src = r.Route.Source; !p.src.IsValid() {
			near := p.hop
			if near.Is6() {
				near = p.dst
			}
			src, ok := route.Source4(near, p.nic.index, r.Route.Scope, s.candidates(false))
			if !ok {
				src = netip.IPv4Unspecified()
			}
			p.src = src
		}
	}
	if gw, ok := s.pmtus.gateway(p.dst, s.now()); ok && p.gw {
		p.hop = gw
	}
	s.sizePath(p)
	return p, nil
}

// orAny is the source that is asked for, or the unspecified address.
func (q *pathQuery) orAny() netip.Addr {
	if q.src.IsValid() {
		return q.src
	}
	if q.dst.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// sizePath finds the path's MTU: of the interface, the route, and what was learnt.
func (s *Stack) sizePath(p *path) {
	p.size = p.nic.ipMTU()
	if p.dst.Is6() {
		p.size = min(p.nic.ip6MTU(), max(1280, int(p.nic.conf6[conf6MTU].Load())))
	}
	locked := false
	if p.route != nil && p.route.Metrics.MTU != 0 {
		p.size = min(p.size, int(p.route.Metrics.MTU))
		locked = p.route.Metrics.MTULock
	}
	if mtu, ok := s.pmtus.get(p.dst, s.now()); ok && mtu < p.size && !locked {
		p.size, p.mtuHit = mtu, true
	}
}

// findPath6 is findPath for IPv6.
func (s *Stack) findPath6(q *pathQuery) (*path, error) {
	p := s.newPath(q)
	if p.src.IsValid() && p.src.IsUnspecified() && !q.anySource {
		p.src = netip.Addr{}
	}
	if p.dst.IsUnspecified() {
		p.dst = netip.IPv6Loopback()
		p.hop = p.dst
	}
	oif := q.oif
	if oif == 0 {
		if p.dst.IsMulticast() {
			oif = q.mcastIf
		} else {
			oif = q.unicastIf
		}
	}
	if oif != 0 {
		n := s.NIC(oif)
		if n == nil {
			return nil, unix.ENODEV
		}
		if !n.isUp() {
			return nil, unix.ENETUNREACH
		}
	}
	if p.src.IsValid() && !q.anySource && !s.isLocal(p.src, 0) && !s.anycastHere(p.src) {
		return nil, unix.EINVAL
	}
	key := tupleOf(q.proto, netip.AddrPortFrom(q.orAny(), q.sport), netip.AddrPortFrom(p.dst, q.dport))
	f := route.Flow{
		Dst: p.dst, Src: p.src, OIF: oif, TOS: q.tos, Mark: q.mark, UID: q.uid, Proto: q.proto,
		SrcPort: q.sport, DstPort: q.dport, Hash: key.hash(s.demux.secret),
	}
	r, err := s.ribs[1].Lookup(&f)
	if err != nil && oif != 0 && linkScope6(p.dst) {
		r, err = route.Result{Hop: route.Hop{OIF: oif}}, nil
	}
	if err != nil {
		s.count(cIp6OutNoRoutes)
		return nil, err
	}
	return s.lead6(p, q, r)
}

// linkScope6 reports whether a means something on one link only.
func linkScope6(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast()
}

// lead6 makes the path that a route leads to.
func (s *Stack) lead6(p *path, q *pathQuery, r route.Result) (*path, error) {
	p.route = r.Route
	if p.nic = s.NIC(r.Hop.OIF); p.nic == nil {
		return nil, unix.ENETUNREACH
	}
	at := p.nic.index
	if r.Route != nil && (r.Route.Type == unix.RTN_LOCAL || r.Route.Type == unix.RTN_ANYCAST && p.nic.anycast(p.dst)) {
		p.kind, p.nic = toLocal, s.NIC(1)
	}
	if r.Hop.Gateway.IsValid() && p.kind != toLocal {
		if q.direct {
			return nil, unix.ENETUNREACH
		}
		p.hop, p.gw = r.Hop.Gateway, true
	}
	if p.dst.IsMulticast() {
		p.kind = toMulticast
	}
	if !p.src.IsValid() {
		if r.Route != nil && r.Route.Source.IsValid() && p.kind != toLocal {
			p.src = r.Route.Source
		} else if src, ok := route.Source6(p.dst, at, false, s.candidates(true)); ok {
			p.src = src
		} else if q.anySource {
			p.src = netip.IPv6Unspecified()
		} else {
			return nil, unix.EADDRNOTAVAIL
		}
	}
	if p.kind == toLocal {
		p.size = p.nic.ip6MTU()
		if r.Route != nil && r.Route.Metrics.MTU != 0 {
			p.size = min(p.size, int(r.Route.Metrics.MTU))
		}
		return p, nil
	}
	if gw, ok := s.pmtus.gateway(p.dst, s.now()); ok && p.kind == toUnicast {
		p.hop, p.gw = gw, gw != p.dst
	}
	s.sizePath(p)
	return p, nil
}

// pmtuCache is what was learnt of paths' MTUs by ICMP.
type pmtuCache struct {
	mu sync.Mutex
	m  map[netip.Addr]pmtu
}

type pmtu struct {
	mtu     int
	expires int64
	// gateway is what a redirect said, until its own deadline.
	gateway    netip.Addr
	redirected int64
}

// maxPMTUs bounds the destinations whose MTU is remembered.
const maxPMTUs = 4096

func (c *pmtuCache) get(dst netip.Addr, now int64) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[dst]
	if !ok || now >= e.expires {
		return 0, false
	}
	return e.mtu, true
}

// gateway returns the first hop to dst that a redirect told of.
func (c *pmtuCache) gateway(dst netip.Addr, now int64) (netip.Addr, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[dst]
	if !ok || now >= e.redirected {
		return netip.Addr{}, false
	}
	return e.gateway, true
}

// redirect remembers a redirect.
func (c *pmtuCache) redirect(dst, gw netip.Addr, now, until int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeRoom(now)
	e := c.m[dst]
	e.gateway, e.redirected = gw, until
	c.m[dst] = e
}

// flush forgets all of one family: what a write to route/flush asks for.
func (c *pmtuCache) flush(v6 bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range c.m {
		if a.Is6() == v6 {
			delete(c.m, a)
		}
	}
}

// makeRoom removes what is over of the few that it looks at, or anything.
func (c *pmtuCache) makeRoom(now int64) {
	if c.m == nil {
		c.m = map[netip.Addr]pmtu{}
	}
	if len(c.m) < maxPMTUs {
		return
	}
	left := 16
	for a, e := range c.m {
		if left--; left == 0 || now >= e.expires && now >= e.redirected {
			delete(c.m, a)
			break
		}
	}
}

// learnMTU remembers what an ICMP message said of the path to dst, and reports
// whether that is news: less than what was known, and not less than is believed.
func (s *Stack) learnMTU(dst netip.Addr, mtu int) bool {
	v6 := dst.Is6()
	least, life := int(s.tune(tV4RouteMinPMTU)), s.tune(tV4RouteMTUExpires)
	if v6 {
		least, life = header.IPv6MinMTU, s.tune(tV6RouteMTUExpires)
	}
	mtu = max(mtu, least)
	now := s.now()
	c := &s.pmtus
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[dst]; ok && now < e.expires && e.mtu <= mtu {
		return false
	}
	c.makeRoom(now)
	e := c.m[dst]
	e.mtu, e.expires = mtu, now+life*1e9
	c.m[dst] = e
	s.epoch.Add(1)
	return true
}

// pathMTU is IP_MTU and IPV6_MTU of a connected socket: ENOTCONN.
func (c *common) pathMTU(room int) ([]byte, error) {
	x, ok := c.self.(interface{ currentPath() (*path, error) })
	if !ok {
		return nil, unix.ENOTCONN
	}
	p, err := x.currentPath()
	if err != nil {
		return nil, err
	}
	return intBytes(p.mtu(), room), nil
}

// query is a path's query with what the socket's options ask for. The caller holds
// the lock.
func (c *common) query(dst, src netip.Addr, device int, sport, dport uint16) pathQuery {
	q := pathQuery{
		dst: dst, src: src, oif: device, mark: c.mark, uid: c.owner.UID, proto: uint8(c.proto), sport: sport, dport: dport,
		direct: c.flags&fDontRoute != 0, anySource: c.freebind || c.transparent,
	}
	if q.oif == 0 {
		q.oif = c.device
	}
	if dst.Is4() {
		q.tos, q.mcastIf, q.mcastSrc, q.unicastIf = uint8(c.ip4.tos), c.ip4.mcastIf, c.ip4.mcastAddr, c.ip4.unicastIf
	} else {
		q.tos, q.mcastIf, q.unicastIf = uint8(max(0, c.ip6.tclass)), c.ip6.mcastIf, c.ip6.unicastIf
		if q.oif == 0 {
			q.oif = c.ip6.pktinfoIf
		}
		q.via = c.ip6.ext.firstStop()
	}
	return q
}

// sendOptions is how the socket's packets are sent to dst, by its options. The
// caller holds the lock.
func (c *common) sendOptions(p *path) sendOptions {
	o := sendOptions{proto: uint8(c.proto), mark: c.mark, priority: c.priority, checksum: -1, owner: c}
	multi := p.kind == toMulticast
	if p.dst.Is4() {
		o.tos = uint8(c.ip4.tos)
		o.options = c.ip4.options
		o.loop = c.ip4.mcastLoop || p.kind == toBroadcast
		switch {
		case multi:
			o.ttl = uint8(c.ip4.mcastTTL)
		case c.ip4.ttl > 0:
			o.ttl = uint8(c.ip4.ttl)
		}
		if o.ttl == 0 && multi {
			o.ttl, o.hostOnly = 1, true
		}
		switch c.ip4.mtuDisc {
		case unix.IP_PMTUDISC_WANT:
			o.dontFrag = c.stack.tune(tIPNoPMTUDisc) == 0
			o.mayFrag = true
		case unix.IP_PMTUDISC_DO, unix.IP_PMTUDISC_PROBE:
			o.dontFrag, o.noFrag = true, true
		}
		o.nicMTU = c.ip4.mtuDisc >= unix.IP_PMTUDISC_PROBE
		return o
	}
	o.tos = uint8(max(0, c.ip6.tclass))
	o.loop = c.ip6.mcastLoop
	o.mtu = c.ip6.mtu
	switch {
	case multi:
		o.ttl = uint8(c.ip6.mcastHops)
	case c.ip6.hops >= 0:
		o.ttl = uint8(c.ip6.hops)
	}
	if o.ttl == 0 && multi {
		o.ttl, o.hostOnly = 1, true
	}
	if c.ip6.flowSend {
		o.flow = c.ip6.flow
	}
	o.hopByHop, o.dstOpts, o.autoFlow = c.ip6.ext.hop, c.ip6.ext.dst, c.labelled()
	if p.final.IsValid() {
		o.routing, o.rtDst = c.ip6.ext.routing, c.ip6.ext.rtDst
	}
	switch c.ip6.mtuDisc {
	case unix.IPV6_PMTUDISC_DO, unix.IPV6_PMTUDISC_PROBE:
		o.noFrag = true
	}
	if c.ip6.dontFrag && heedsDontFrag(c.proto) {
		o.noFrag, o.tellMTU = true, true
	}
	o.nicMTU = c.ip6.mtuDisc >= unix.IPV6_PMTUDISC_PROBE
	return o
}

// heedsDontFrag reports whether IPV6_DONTFRAG means something to a protocol: as on
// Linux to these alone.
func heedsDontFrag(proto int) bool {
	return proto == unix.IPPROTO_UDP || proto == unix.IPPROTO_ICMPV6 || proto == unix.IPPROTO_RAW
}
