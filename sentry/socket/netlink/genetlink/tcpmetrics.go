package genetlink

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The family "tcp_metrics", linux/tcp_metrics.h: what is remembered of peers' TCP,
// ip-tcp_metrics(8). That is the cookies of Fast Open.
const (
	metricsID      = 0x16
	metricsVersion = 1
	metricsGet     = 1
	metricsDel     = 2

	metricsAddr4  = 1
	metricsAddr6  = 2
	metricsCookie = 10
)

func metricsOps() []op {
	return []op{{metricsGet, opDo | opDump | opPolicy}, {metricsDel, opAdmin | opDo | opPolicy}}
}

// metrics answers a request of the family.
func metrics(r *netlink.Request) error {
	st := r.Net.Stack
	known := st.MetricsOf()
	write := func(b *wire.Builder, a netip.Addr, flags uint16) {
		r.Begin(b, metricsID, flags)
		b.Append(metricsGet, metricsVersion, 0, 0)
		if a.Is4() {
			b.Addr(metricsAddr4, a)
		} else {
			b.Addr(metricsAddr6, a)
		}
		b.Attr(metricsCookie, known[a])
		b.End()
	}
	if r.IsDump() {
		var all []netip.Addr
		for a := range known {
			all = append(all, a)
		}
		slices.SortFunc(all, netip.Addr.Compare)
		return r.Dump(len(all), func(b *wire.Builder, i int) { write(b, all[i], unix.NLM_F_MULTI) })
	}
	a, err := r.Attrs(headerSize, wire.Policy{metricsAddr4: {Kind: wire.U32}, metricsAddr6: {Kind: wire.Any, Min: 16, Max: 16}}, false)
	if err != nil {
		return err
	}
	var peer netip.Addr
	switch {
	case a.Has(metricsAddr4):
		peer, _ = netip.AddrFromSlice(a.Bytes(metricsAddr4)[:4])
	case a.Has(metricsAddr6):
		peer = a.Addr(metricsAddr6).Unmap()
	case r.Body[0] == metricsDel:
		st.FlushMetrics(netip.Addr{})
		return nil
	default:
		return unix.EAFNOSUPPORT
	}
	if _, ok := known[peer]; !ok {
		return unix.ESRCH
	}
	if r.Body[0] == metricsDel {
		st.FlushMetrics(peer)
		return nil
	}
	r.Reply(func(b *wire.Builder) { write(b, peer, 0) })
	return nil
}
