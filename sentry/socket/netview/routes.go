package netview

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/route"
)

// The flags of a route, linux/route.h and linux/ipv6_route.h.
const (
	rtfUp      = 0x1
	rtfGateway = 0x2
	rtfHost    = 0x4
	rtfReject  = 0x200
	rtfExpires = 0x00400000
	rtfRA      = 0x00040000 // RTF_ADDRCONF
	rtfLocal   = 0x80000000
	rtfNonext  = 0x00200000 // RTF_NONEXTHOP
)

// each calls f for the routes of a table, or of all for 0.
func (v *View) each(v6 bool, table uint32, f func(*route.Route)) {
	rib := v.stack.RIB(v6)
	if rib == nil {
		return
	}
	for t := range rib.Tables() {
		if table != 0 && t.ID() != table {
			continue
		}
		for r := range t.All() {
			f(r)
		}
	}
}

// route is /proc/net/route: the main table of IPv4, without local and broadcast
// routes.
func (v *View) route(w *bytes.Buffer) {
	const width = 127
	fmt.Fprintf(w, "%-*s\n", width, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT")
	v.each(false, unix.RT_TABLE_MAIN, func(r *route.Route) {
		if r.Type == unix.RTN_BROADCAST || r.Type == unix.RTN_MULTICAST || r.Type == unix.RTN_LOCAL {
			return
		}
		flags, name, gateway := 0, "*", netip.Addr{}
		switch r.Type {
		case unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_BLACKHOLE:
			flags |= rtfReject
		}
		if r.Dst.Bits() == 32 {
			flags |= rtfHost
		}
		flags |= rtfUp
		if len(r.Hops) > 0 {
			name = v.name(r.Hops[0].OIF)
			if gateway = r.Hops[0].Gateway; gateway.IsValid() {
				flags |= rtfGateway
			}
		}
		mss := 0
		if r.Metrics.AdvMSS > 0 {
			mss = int(r.Metrics.AdvMSS) + 40
		}
		line := fmt.Sprintf("%s\t%s\t%s\t%04X\t%d\t%d\t%d\t%08X\t%d\t%d\t%d", name, hexAddr(r.Dst.Addr(), false), hexAddr(gateway, false),
			flags, 0, 0, r.Priority, mask4(r.Dst.Bits()), mss, r.Metrics.Window, 0)
		fmt.Fprintf(w, "%-*s\n", width, line)
	})
}

// mask4 is the mask of a prefix as a word in network order.
func mask4(bits int) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-bits))
	return binary.LittleEndian.Uint32(b[:])
}

// route6 is /proc/net/ipv6_route: all tables.
func (v *View) route6(w *bytes.Buffer) {
	v.each(true, 0, func(r *route.Route) {
		flags, name, gateway := uint32(rtfUp), "lo", netip.IPv6Unspecified()
		switch r.Type {
		case unix.RTN_LOCAL, unix.RTN_ANYCAST:
			flags |= rtfLocal | rtfNonext
		case unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_BLACKHOLE, unix.RTN_THROW:
			flags |= rtfReject | rtfNonext
		}
		if r.Protocol == unix.RTPROT_RA {
			flags |= rtfRA
		}
		if r.Expires != 0 {
			flags |= rtfExpires
		}
		if len(r.Hops) > 0 {
			name = v.name(r.Hops[0].OIF)
			if g := r.Hops[0].Gateway; g.IsValid() {
				gateway = g
				flags |= rtfGateway
			}
		}
		dst, via := r.Dst.Addr().As16(), gateway.As16()
		fmt.Fprintf(w, "%x %02x %032x %02x %x %08x %08x %08x %08x %8s\n", dst[:], r.Dst.Bits(), 0, 0, via[:], r.Priority, 1, 0, flags, name)
	})
}

// fibTrie is /proc/net/fib_trie. Programs read the leaves only: which addresses
// are local. So the trie has one level here.
func (v *View) fibTrie(w *bytes.Buffer) {
	for _, t := range []struct {
		id   uint32
		name string
	}{{unix.RT_TABLE_MAIN, "Main"}, {unix.RT_TABLE_LOCAL, "Local"}} {
		first := true
		var last netip.Addr
		v.each(false, t.id, func(r *route.Route) {
			if first {
				fmt.Fprintf(w, "%s:\n  +-- 0.0.0.0/0 1 0 0\n", t.name)
				first = false
			}
			if a := r.Dst.Addr(); a != last || r.Dst.Bits() == 0 {
				fmt.Fprintf(w, "     |-- %s\n", a)
				last = a
			}
			fmt.Fprintf(w, "        /%d %s %s\n", r.Dst.Bits(), scopeName(r.Scope), typeName(r.Type))
		})
	}
}

func scopeName(s uint8) string {
	switch s {
	case unix.RT_SCOPE_UNIVERSE:
		return "universe"
	case unix.RT_SCOPE_SITE:
		return "site"
	case unix.RT_SCOPE_LINK:
		return "link"
	case unix.RT_SCOPE_HOST:
		return "host"
	case unix.RT_SCOPE_NOWHERE:
		return "nowhere"
	}
	return fmt.Sprintf("scope=%d", s)
}

func typeName(t route.Type) string {
	names := []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", t)
}
