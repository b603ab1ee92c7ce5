package rtnetlink

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/route"
	"hull/sentry/socket/netlink/wire"
)

// prioUser is the metric of a route of IPv6 for which none is said (IP6_RT_PRIO_USER).
const prioUser = 1024

// maxHops bounds the hops of one route.
const maxHops = 64

// routeRequest reads RTM_NEWROUTE or RTM_DELROUTE: a route as it is told.
func (c *call) routeRequest(family uint8) (*route.Route, rtmsg, wire.Attrs, error) {
	v6, ok := isIP(family)
	if !ok {
		return nil, rtmsg{}, wire.Attrs{}, unix.EOPNOTSUPP
	}
	m, ok := parseRtmsg(c.Body)
	if !ok {
		return nil, m, wire.Attrs{}, unix.EINVAL
	}
	a, err := c.Attrs(rtmsgSize, routePolicy(), false)
	if err != nil {
		return nil, m, a, err
	}
	r := &route.Route{
		Table: uint32(m.table), TOS: m.tos, Protocol: m.protocol, Scope: m.scope, Type: route.Type(m.rtType),
		Priority: a.U32(unix.RTA_PRIORITY), Source: a.Addr(unix.RTA_PREFSRC),
	}
	if a.Has(unix.RTA_TABLE) {
		r.Table = a.U32(unix.RTA_TABLE)
	}
	if r.Table == unix.RT_TABLE_UNSPEC {
		r.Table = route.TableMain
	}
	dst := a.Addr(unix.RTA_DST)
	if !dst.IsValid() {
		dst = unspecified(v6)
	}
	switch {
	case dst.Is4() == v6 || r.Source.IsValid() && r.Source.Is4() == v6:
		return nil, m, a, unix.EINVAL
	case int(m.dstLen) > dst.BitLen():
		return nil, m, a, c.Fail(unix.EINVAL, "Invalid prefix length")
	case m.srcLen != 0 && !v6, a.Has(unix.RTA_SRC) && v6:
		return nil, m, a, unix.EINVAL
	case a.Has(unix.RTA_ENCAP), a.Has(unix.RTA_ENCAP_TYPE) && a.U16(unix.RTA_ENCAP_TYPE) != 0, a.Has(rtaNHID):
		return nil, m, a, unix.EOPNOTSUPP
	}
	r.Dst = netip.PrefixFrom(dst, int(m.dstLen))
	if r.Dst.Masked() != r.Dst {
		if !v6 {
			return nil, m, a, c.Fail(unix.EINVAL, "Invalid prefix for given prefix length")
		}
		r.Dst = r.Dst.Masked()
	}
	if r.Hops, err = c.hops(m, a, v6); err != nil {
		return nil, m, a, err
	}
	return r, m, a, c.readMetrics(&r.Metrics, a)
}

// hops reads the hops of a route: RTA_MULTIPATH, or what stands for one.
func (c *call) hops(m rtmsg, a wire.Attrs, v6 bool) ([]route.Hop, error) {
	list := a.Bytes(unix.RTA_MULTIPATH)
	if list == nil {
		h := route.Hop{OIF: int(a.U32(unix.RTA_OIF)), OnLink: m.flags&unix.RTNH_F_ONLINK != 0}
		var err error
		if h.Gateway, err = c.gateway(a, v6); err != nil {
			return nil, err
		}
		if h.OIF == 0 && !h.Gateway.IsValid() {
			return nil, nil
		}
		return []route.Hop{h}, nil
	}
	var all []route.Hop
	for len(list) >= 8 {
		n := int(binary.NativeEndian.Uint16(list))
		if n < 8 || n > len(list) {
			return nil, c.Fail(unix.EINVAL, "Invalid nexthop configuration - extra data after nexthop")
		}
		in, werr := wire.Parse(list[8:n], routePolicy(), false)
		if werr != nil {
			return nil, c.Refuse(werr, rtmsgSize)
		}
		h := route.Hop{
			OIF: int(binary.NativeEndian.Uint32(list[4:])), Weight: int(list[3]) + 1, OnLink: list[2]&unix.RTNH_F_ONLINK != 0,
		}
		var err error
		if h.Gateway, err = c.gateway(in, v6); err != nil {
			return nil, err
		}
		if len(all) == maxHops {
			return nil, unix.ENOBUFS
		}
		all = append(all, h)
		list = list[min(wire.Align(n), len(list)):]
	}
	return all, nil
}

// gateway reads RTA_GATEWAY or RTA_VIA.
func (c *call) gateway(a wire.Attrs, v6 bool) (netip.Addr, error) {
	gw := a.Addr(unix.RTA_GATEWAY)
	if via := a.Bytes(unix.RTA_VIA); via != nil {
		if a.Has(unix.RTA_GATEWAY) {
			return gw, c.Fail(unix.EINVAL, "Nexthop configuration can not contain both GATEWAY and VIA")
		}
		if v6 {
			return gw, c.Fail(unix.EINVAL, "IPv6 does not support RTA_VIA attribute")
		}
		if via, ok := netip.AddrFromSlice(via[2:]); ok {
			return via, nil
		}
		return gw, unix.EINVAL
	}
	if gw.IsValid() && gw.Is4() == v6 {
		return gw, unix.EINVAL
	}
	if gw.IsUnspecified() {
		return netip.Addr{}, nil
	}
	return gw, nil
}

func (c *call) readMetrics(m *route.Metrics, a wire.Attrs) error {
	p := make(wire.Policy, unix.RTAX_FEATURES+6)
	for i := range p {
		p[i].Kind = wire.U32
	}
	p[unix.RTAX_CC_ALGO] = wire.Rule{Kind: wire.String}
	in, werr := a.Nested(unix.RTA_METRICS, p)
	if werr != nil {
		return c.Refuse(werr, rtmsgSize)
	}
	for _, k := range metrics(m) {
		*k.at = in.U32(int(k.typ))
	}
	m.MTULock = in.U32(unix.RTAX_LOCK)&(1<<unix.RTAX_MTU) != 0
	if m.HopLimit > 255 {
		return unix.EINVAL
	}
	return nil
}

// newRoute is RTM_NEWROUTE.
func (c *call) newRoute(family uint8) error {
	r, m, a, err := c.routeRequest(family)
	if err != nil {
		return err
	}
	v6 := family == unix.AF_INET6
	if r.Type == unix.RTN_UNSPEC {
		r.Type = unix.RTN_UNICAST
	}
	if r.Type > unix.RTN_THROW {
		return c.Fail(unix.EINVAL, "Invalid route type")
	}
	if v6 {
		if r.Priority == 0 {
			r.Priority = prioUser
		}
		if r.Protocol == 0 {
			r.Protocol = unix.RTPROT_BOOT
		}
		if s := a.U32(unix.RTA_EXPIRES); s != 0 {
			r.Expires = c.stack.Now() + int64(s)*1e9
		}
	} else if least := scopeOf(r.Type); m.scope < least {
		return c.Fail(unix.EINVAL, "Invalid scope")
	}
	if err := c.checkHops(r, v6); err != nil {
		return err
	}
	if r.Source.IsValid() && !c.isLocal(r.Source) {
		if v6 {
			return c.Fail(unix.EINVAL, "Invalid source address")
		}
		return c.Fail(unix.EINVAL, "Invalid prefsrc address")
	}
	mode := route.Exclusive
	switch flags := c.Header.Flags; {
	case flags&unix.NLM_F_EXCL != 0:
	case flags&unix.NLM_F_REPLACE != 0 && flags&unix.NLM_F_CREATE != 0:
		mode = route.Upsert
	case flags&unix.NLM_F_REPLACE != 0:
		mode = route.Replace
	case flags&unix.NLM_F_CREATE == 0:
		return unix.ENOENT
	case flags&unix.NLM_F_APPEND != 0:
		mode = route.Append
	default:
		mode = route.Prepend
	}
	return c.stack.AddRoute(r, mode)
}

// scopeOf is the least scope of a type of route (fib_props).
func scopeOf(t route.Type) uint8 {
	switch t {
	case unix.RTN_LOCAL, unix.RTN_NAT:
		return unix.RT_SCOPE_HOST
	case unix.RTN_BROADCAST, unix.RTN_ANYCAST:
		return unix.RT_SCOPE_LINK
	}
	return unix.RT_SCOPE_UNIVERSE
}

// rejects says of a type that its routes go nowhere.
func rejects(t route.Type) bool {
	return t == unix.RTN_UNREACHABLE || t == unix.RTN_PROHIBIT || t == unix.RTN_BLACKHOLE || t == unix.RTN_THROW
}

// checkHops checks that each hop can be reached, and finds its interface.
func (c *call) checkHops(r *route.Route, v6 bool) error {
	if rejects(r.Type) {
		if v6 {
			r.Hops = nil // the interface is always lo, and not said
		}
		if len(r.Hops) > 0 {
			return c.Fail(unix.EINVAL, "Route with nexthop can not be of this type")
		}
		return nil
	}
	if len(r.Hops) == 0 {
		return c.Fail(unix.ENODEV, "")
	}
	for i := range r.Hops {
		if err := c.checkHop(&r.Hops[i], r, v6); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) checkHop(h *route.Hop, r *route.Route, v6 bool) error {
	up := func() error {
		n := c.stack.NIC(h.OIF)
		if n == nil {
			return c.Fail(unix.ENODEV, "")
		}
		if n.Info().Flags&unix.IFF_UP == 0 {
			switch {
			case v6:
				return c.Fail(unix.ENETDOWN, "")
			case h.Gateway.IsValid():
				return c.Fail(unix.ENETDOWN, "Nexthop device is not up")
			}
			return c.Fail(unix.ENETDOWN, "Device for nexthop is not up")
		}
		return nil
	}
	switch {
	case !h.Gateway.IsValid():
		return up()
	case h.OnLink:
		if h.OIF == 0 {
			return c.Fail(unix.ENODEV, "Nexthop device required for onlink")
		}
		return up()
	case h.Gateway.Is6() && h.Gateway.IsLinkLocalUnicast():
		if h.OIF == 0 {
			return c.Fail(unix.EINVAL, "Egress device not specified")
		}
		return up()
	}
	if !v6 && r.Scope >= unix.RT_SCOPE_LINK {
		return c.Fail(unix.EINVAL, "Nexthop has invalid scope")
	}
	res, _, err := c.stack.Lookup(&route.Flow{Dst: h.Gateway, OIF: h.OIF})
	invalid := err != nil || res.Route == nil
	if !invalid && !v6 {
		invalid = res.Route.Type != unix.RTN_UNICAST && res.Route.Type != unix.RTN_LOCAL || res.Hop.Gateway.IsValid()
	} else if !invalid {
		invalid = res.Route.Type != unix.RTN_UNICAST || res.Hop.Gateway.IsValid() && !res.Hop.OnLink
	}
	if invalid {
		if v6 {
			return unix.EHOSTUNREACH
		}
		if err == nil {
			err = unix.EINVAL
		}
		return c.Fail(err.(unix.Errno), "Nexthop has invalid gateway")
	}
	if h.OIF == 0 {
		h.OIF = res.Hop.OIF
	}
	return up()
}

// isLocal reports whether an address is one of the namespace's.
func (c *call) isLocal(a netip.Addr) bool {
	for _, n := range c.stack.NICs() {
		for _, own := range n.Addrs() {
			if own.Prefix.Addr() == a {
				return true
			}
		}
	}
	res, _, err := c.stack.Lookup(&route.Flow{Dst: a})
	return err == nil && res.Route != nil && res.Route.Type == unix.RTN_LOCAL
}

// delRoute is RTM_DELROUTE: the first route that is as the message says; what it
// does not say may be anything.
func (c *call) delRoute(family uint8) error {
	want, m, a, err := c.routeRequest(family)
	if err != nil {
		return err
	}
	v6 := family == unix.AF_INET6
	for t := range c.stack.RIB(v6).Tables() {
		if t.ID() != want.Table {
			continue
		}
		for r := range t.All() {
			if r.Dst == want.Dst && c.named(r, want, m, a, v6) {
				return c.stack.DelRoute(r)
			}
		}
	}
	return unix.ESRCH
}

// named reports whether r is a route that a deletion means.
func (c *call) named(r, want *route.Route, m rtmsg, a wire.Attrs, v6 bool) bool {
	switch {
	case r.TOS != want.TOS && !v6,
		want.Type != unix.RTN_UNSPEC && r.Type != want.Type && !(v6 && want.Type == unix.RTN_UNICAST),
		!v6 && m.scope != unix.RT_SCOPE_NOWHERE && r.Scope != m.scope,
		want.Protocol != 0 && r.Protocol != want.Protocol,
		want.Source.IsValid() && r.Source != want.Source,
		a.Has(unix.RTA_PRIORITY) && want.Priority != 0 && r.Priority != want.Priority:
		return false
	}
	for _, h := range want.Hops {
		found := false
		for _, own := range r.Hops {
			found = found || (h.OIF == 0 || h.OIF == own.OIF) && (!h.Gateway.IsValid() || h.Gateway == own.Gateway)
		}
		// A route of IPv6 without hops is shown with lo.
		if !found && !(v6 && len(r.Hops) == 0 && h.OIF == loopback) {
			return false
		}
	}
	return true
}
