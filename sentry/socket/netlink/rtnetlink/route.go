package rtnetlink

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/route"
	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// rtmsg is struct rtmsg.
type rtmsg struct {
	family, dstLen, srcLen, tos    uint8
	table, protocol, scope, rtType uint8
	flags                          uint32
}

const rtmsgSize = unix.SizeofRtMsg

func parseRtmsg(b []byte) (m rtmsg, ok bool) {
	if len(b) < rtmsgSize {
		return m, false
	}
	return rtmsg{b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], binary.NativeEndian.Uint32(b[8:])}, true
}

func (m rtmsg) bytes() []byte {
	return binary.NativeEndian.AppendUint32([]byte{m.family, m.dstLen, m.srcLen, m.tos, m.table, m.protocol, m.scope, m.rtType}, m.flags)
}

const (
	tableCompat = 252 // RT_TABLE_COMPAT: the number does not fit
	loopback    = 1   // the index of lo, which routes of IPv6 without a hop bear

	rtaNHID = 30 // RTA_NH_ID

	rtmFlagCloned = 0x200  // RTM_F_CLONED
	rtmFlagLookup = 0x1000 // RTM_F_LOOKUP_TABLE
	rtmFlagMatch  = 0x2000 // RTM_F_FIB_MATCH
	localFlag     = 0x80000000
	broadcastFlag = 0x10000000
	multicastFlag = 0x20000000
)

func shortTable(id uint32) uint8 {
	if id > 255 {
		return tableCompat
	}
	return uint8(id)
}

// hopFlags are the RTNH_F_* of a hop.
func hopFlags(st *stack.Stack, r *route.Route, h *route.Hop) (f uint8) {
	if h.OnLink {
		f |= unix.RTNH_F_ONLINK
	}
	switch {
	case r.Type == unix.RTN_LOCAL || r.Type == unix.RTN_ANYCAST: // of the machine, not of a link
	case h.Dead:
		f |= unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN
	default:
		if n := st.NIC(h.OIF); n != nil && !n.Carrier() {
			f |= unix.RTNH_F_LINKDOWN
		}
	}
	return f
}

// routeHeader is the fixed part of RTM_NEWROUTE.
func routeHeader(st *stack.Stack, r *route.Route) rtmsg {
	m := rtmsg{
		family: familyOf(!r.Dst.Addr().Is4()), dstLen: uint8(r.Dst.Bits()), tos: r.TOS, table: shortTable(r.Table),
		protocol: r.Protocol, scope: r.Scope, rtType: uint8(r.Type),
	}
	if m.family == unix.AF_INET6 {
		m.scope = unix.RT_SCOPE_UNIVERSE
	}
	if len(r.Hops) == 1 {
		m.flags = uint32(hopFlags(st, r, &r.Hops[0]))
	}
	return m
}

// writeRoute writes the attributes of RTM_NEWROUTE.
func writeRoute(st *stack.Stack, b *wire.Builder, r *route.Route) {
	v6 := !r.Dst.Addr().Is4()
	b.U32(unix.RTA_TABLE, r.Table)
	if r.Dst.Bits() > 0 {
		b.Addr(unix.RTA_DST, r.Dst.Addr())
	}
	if v6 || r.Priority != 0 {
		b.U32(unix.RTA_PRIORITY, r.Priority)
	}
	writeMetrics(b, &r.Metrics)
	if r.Source.IsValid() {
		b.Addr(unix.RTA_PREFSRC, r.Source)
	}
	switch {
	case len(r.Hops) == 1:
		writeGateway(b, v6, r.Hops[0].Gateway)
		if r.Hops[0].OIF != 0 {
			b.U32(unix.RTA_OIF, uint32(r.Hops[0].OIF))
		}
	case len(r.Hops) > 1:
		writeHops(st, b, r, v6)
	case v6:
		b.U32(unix.RTA_OIF, loopback)
	}
	if v6 {
		writeCacheInfo(b, r, st.Now())
		b.U8(unix.RTA_PREF, 0) // medium
	}
}

func writeGateway(b *wire.Builder, v6 bool, gw netip.Addr) {
	switch {
	case !gw.IsValid():
	case gw.Is4() == v6:
		family := binary.NativeEndian.AppendUint16(nil, uint16(familyOf(!gw.Is4())))
		b.Attr(unix.RTA_VIA, append(family, gw.AsSlice()...))
	default:
		b.Addr(unix.RTA_GATEWAY, gw)
	}
}

// writeHops writes RTA_MULTIPATH.
func writeHops(st *stack.Stack, b *wire.Builder, r *route.Route, v6 bool) {
	all := b.Nest(unix.RTA_MULTIPATH)
	for i := range r.Hops {
		h := &r.Hops[i]
		at := b.Len()
		ne := binary.NativeEndian
		head := ne.AppendUint16(nil, 0)
		head = append(head, hopFlags(st, r, h), uint8(max(h.Weight, 1)-1))
		b.Append(ne.AppendUint32(head, uint32(h.OIF))...)
		writeGateway(b, v6, h.Gateway)
		ne.PutUint16(b.Bytes()[at:], uint16(b.Len()-at))
	}
	b.Close(all)
}

// writeCacheInfo writes struct rta_cacheinfo: how long it lives, and the error
// of a route that is none.
func writeCacheInfo(b *wire.Builder, r *route.Route, now int64) {
	var failed, expires int32
	switch r.Type {
	case unix.RTN_UNREACHABLE:
		failed = -int32(unix.EHOSTUNREACH)
	case unix.RTN_BLACKHOLE:
		failed = -int32(unix.EINVAL)
	case unix.RTN_PROHIBIT:
		failed = -int32(unix.EACCES)
	}
	if r.Expires != 0 {
		expires = int32(max(r.Expires-now, 0) / int64(time.Second/100)) // in USER_HZ
	}
	info := make([]byte, 32)
	binary.NativeEndian.PutUint32(info[8:], uint32(expires))
	if len(r.Hops) == 0 && failed != -int32(unix.EHOSTUNREACH) {
		binary.NativeEndian.PutUint32(info[12:], uint32(failed))
	}
	b.Attr(unix.RTA_CACHEINFO, info)
}

// metric is one of RTAX_*, and where it is kept.
type metric struct {
	typ uint16
	at  *uint32
}

func metrics(m *route.Metrics) []metric {
	return []metric{
		{unix.RTAX_MTU, &m.MTU}, {unix.RTAX_WINDOW, &m.Window}, {unix.RTAX_ADVMSS, &m.AdvMSS}, {unix.RTAX_HOPLIMIT, &m.HopLimit},
		{unix.RTAX_INITCWND, &m.InitCwnd}, {unix.RTAX_FEATURES, &m.Features}, {unix.RTAX_INITRWND, &m.InitRwnd}, {unix.RTAX_QUICKACK, &m.QuickAck},
	}
}

func writeMetrics(b *wire.Builder, m *route.Metrics) {
	if *m == (route.Metrics{}) {
		return
	}
	at := b.Nest(unix.RTA_METRICS)
	if m.MTULock {
		b.U32(unix.RTAX_LOCK, 1<<unix.RTAX_MTU)
	}
	for _, k := range metrics(m) {
		if *k.at != 0 {
			b.U32(k.typ, *k.at)
		}
	}
	b.Close(at)
}

func routePolicy() wire.Policy {
	return wire.Policy{
		unix.RTA_DST: {Kind: wire.Any, Min: 4, Max: 16}, unix.RTA_SRC: {Kind: wire.Any, Min: 4, Max: 16},
		unix.RTA_IIF: {Kind: wire.U32}, unix.RTA_OIF: {Kind: wire.U32}, unix.RTA_GATEWAY: {Kind: wire.Any, Min: 4, Max: 16},
		unix.RTA_PRIORITY: {Kind: wire.U32}, unix.RTA_PREFSRC: {Kind: wire.Any, Min: 4, Max: 16}, unix.RTA_METRICS: {Kind: wire.Nested},
		unix.RTA_MULTIPATH: {Kind: wire.Any, Min: 8}, unix.RTA_FLOW: {Kind: wire.U32}, unix.RTA_TABLE: {Kind: wire.U32},
		unix.RTA_MARK: {Kind: wire.U32}, unix.RTA_VIA: {Kind: wire.Any, Min: 6, Max: 18}, unix.RTA_PREF: {Kind: wire.U8},
		unix.RTA_ENCAP_TYPE: {Kind: wire.U16}, unix.RTA_ENCAP: {Kind: wire.Nested}, unix.RTA_EXPIRES: {Kind: wire.U32},
		unix.RTA_UID: {Kind: wire.U32}, unix.RTA_IP_PROTO: {Kind: wire.U8}, unix.RTA_SPORT: {Kind: wire.U16},
		unix.RTA_DPORT: {Kind: wire.U16}, rtaNHID: {Kind: wire.U32},
	}
}

// dumpRoutes answers with the routes of one family or both, of one table or all.
func (c *call) dumpRoutes(family uint8) error {
	m, ok := parseRtmsg(c.Body)
	if !ok && c.Strict() {
		return c.Fail(unix.EINVAL, "Invalid header for FIB dump request")
	}
	if m.flags&rtmFlagCloned != 0 {
		return c.Dump(0, nil) // routes that were learnt are no table's
	}
	var want rtmsg
	table, oif := uint32(0), 0
	if c.Strict() && ok {
		a, err := c.Attrs(rtmsgSize, routePolicy(), true)
		if err != nil {
			return err
		}
		want, table, oif = m, uint32(m.table), int(a.U32(unix.RTA_OIF))
		if a.Has(unix.RTA_TABLE) {
			table = a.U32(unix.RTA_TABLE)
		}
		if oif != 0 && c.stack.NIC(oif) == nil {
			return unix.ENODEV
		}
	}
	var all []*route.Route
	for _, v6 := range families(family) {
		found := table == 0 || v6 && (table == route.TableMain || table == route.TableLocal)
		for t := range c.stack.RIB(v6).Tables() {
			if table != 0 && t.ID() != table {
				continue
			}
			found = true
			for r := range t.All() {
				if want.protocol != 0 && r.Protocol != want.protocol || want.rtType != 0 && uint8(r.Type) != want.rtType || oif != 0 && !r.HasOIF(oif) {
					continue
				}
				all = append(all, r)
			}
		}
		if !found && family != unix.AF_UNSPEC {
			why := "ipv4: FIB table does not exist"
			if v6 {
				why = "ipv6: FIB table does not exist"
			}
			return c.DumpFailed(unix.ENOENT, why)
		}
	}
	return c.Dump(len(all), func(b *wire.Builder, i int) {
		c.message(b, unix.RTM_NEWROUTE, unix.NLM_F_MULTI, routeHeader(c.stack, all[i]).bytes(), func(b *wire.Builder) { writeRoute(c.stack, b, all[i]) })
	})
}

// getRoute is `ip route get`.
func (c *call) getRoute(family uint8) error {
	v6, ok := isIP(family)
	if !ok {
		return unix.EOPNOTSUPP
	}
	m, ok := parseRtmsg(c.Body)
	if !ok {
		return c.Fail(unix.EINVAL, "ipv4: Invalid header for route get request")
	}
	a, err := c.Attrs(rtmsgSize, routePolicy(), c.Strict())
	if err != nil {
		return err
	}
	f := &route.Flow{
		Dst: a.Addr(unix.RTA_DST), Src: a.Addr(unix.RTA_SRC), IIF: int(a.U32(unix.RTA_IIF)), OIF: int(a.U32(unix.RTA_OIF)),
		TOS: m.tos, Mark: a.U32(unix.RTA_MARK), UID: a.U32(unix.RTA_UID), Proto: a.U8(unix.RTA_IP_PROTO),
		SrcPort: a.U16BE(unix.RTA_SPORT), DstPort: a.U16BE(unix.RTA_DPORT),
	}
	if !a.Has(unix.RTA_UID) {
		f.UID = c.Task.Cred().EUID
	}
	if !f.Dst.IsValid() {
		f.Dst = unspecified(v6)
	}
	if f.Dst.Is4() == v6 || f.Src.IsValid() && f.Src.Is4() == v6 {
		return unix.EINVAL
	}
	if f.IIF != 0 && c.stack.NIC(f.IIF) == nil {
		return unix.ENODEV
	}
	if f.OIF != 0 && c.stack.NIC(f.OIF) == nil {
		return unix.ENODEV
	}
	res, src, err := c.stack.Lookup(f)
	if err != nil {
		return err
	}
	if res.Route == nil {
		return unix.ENETUNREACH
	}
	c.Reply(func(b *wire.Builder) {
		if m.flags&rtmFlagMatch != 0 {
			c.message(b, unix.RTM_NEWROUTE, 0, routeHeader(c.stack, res.Route).bytes(), func(b *wire.Builder) { writeRoute(c.stack, b, res.Route) })
			return
		}
		c.answer(b, m, f, &res, src, v6)
	})
	return nil
}

func unspecified(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// answer writes what a look-up found: a route to one address.
func (c *call) answer(b *wire.Builder, m rtmsg, f *route.Flow, res *route.Result, src netip.Addr, v6 bool) {
	r := res.Route
	table := r.Table
	h := rtmsg{
		family: familyOf(v6), dstLen: uint8(f.Dst.BitLen()), tos: f.TOS, rtType: uint8(r.Type), flags: rtmFlagCloned,
	}
	if v6 {
		// A route of IPv6 is shown as it is, but for its destination.
		h.protocol = r.Protocol
	} else {
		// As long as nobody changed the rules, Linux keeps both tables in one.
		merged := table == route.TableLocal && len(c.stack.RIB(false).Rules()) == len(route.DefaultRules(false))
		if m.flags&rtmFlagLookup == 0 || merged {
			table = route.TableMain
		}
		switch r.Type {
		case unix.RTN_LOCAL:
			h.flags |= localFlag
		case unix.RTN_BROADCAST:
			h.flags |= localFlag | broadcastFlag
		case unix.RTN_MULTICAST:
			h.flags |= multicastFlag
		}
	}
	h.table = shortTable(table)
	c.message(b, unix.RTM_NEWROUTE, 0, h.bytes(), func(b *wire.Builder) {
		b.Addr(unix.RTA_DST, f.Dst)
		if f.Src.IsValid() && !f.Src.IsUnspecified() {
			b.Addr(unix.RTA_SRC, f.Src)
		}
		b.U32(unix.RTA_TABLE, table)
		if res.Hop.OIF != 0 {
			b.U32(unix.RTA_OIF, uint32(res.Hop.OIF))
		}
		if src.IsValid() && !f.Src.IsValid() && !src.IsUnspecified() {
			b.Addr(unix.RTA_PREFSRC, src)
		}
		writeGateway(b, v6, res.Hop.Gateway)
		writeMetrics(b, &r.Metrics)
		if v6 {
			b.U32(unix.RTA_PRIORITY, r.Priority)
		} else {
			b.U32(unix.RTA_UID, f.UID)
		}
		if f.Mark != 0 {
			b.U32(unix.RTA_MARK, f.Mark)
		}
		if f.IIF != 0 {
			b.U32(unix.RTA_IIF, uint32(f.IIF))
		}
		writeCacheInfo(b, r, c.stack.Now())
		if v6 {
			b.U8(unix.RTA_PREF, 0)
		}
	})
}
