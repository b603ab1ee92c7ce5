// Package netview is what a network namespace shows and lets change by other
// ways than sockets and netlink: the tables of /proc/net, the parameters of
// /proc/sys/net, the attributes of /sys/class/net, and the ioctls about
// interfaces, routes and neighbours.
//
//   - It owns their forms and nothing else: what they say is the stack's.
//   - It knows no file system: proc, sys and the sockets ask it by name.
package netview

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket"
)

// View is the views of one namespace.
type View struct {
	net   *socket.NetNS // immutable
	stack *stack.Stack  // immutable

	now func() int64 `snapshot:"-"` // the stack's clock
}

var (
	_ socket.View       = (*View)(nil)
	_ socket.Controller = (*View)(nil)
)

// New returns the views of net, whose stack is s and has the clock now.
func New(net *socket.NetNS, s *stack.Stack, now func() int64) *View { return &View{net, s, now} }

// Stack returns the namespace's stack.
func (v *View) Stack() *stack.Stack { return v.stack }

// Names implements socket.View.
func (*View) Names() []string {
	return []string{"anycast6", "arp", "dev", "dev_mcast", "fib_trie", "icmp", "icmp6", "if_inet6", "igmp", "igmp6", "ip6_tables_names", "ip_tables_names",
		"ipv6_route", "netstat", "nf_conntrack", "packet", "protocols", "psched", "ptype", "raw", "raw6", "route", "rt6_stats", "rt_cache",
		"snmp", "snmp6", "sockstat", "sockstat6", "softnet_stat", "tcp", "tcp6", "udp", "udp6", "udplite", "udplite6"}
}

// Show implements socket.View.
func (v *View) Show(name string, w *bytes.Buffer) {
	switch name {
	case "arp":
		v.arp(w)
	case "dev":
		v.dev(w)
	case "dev_mcast", "anycast6":
		// Ethernet's groups follow those of IP: none are joined by themselves.
	case "fib_trie":
		v.fibTrie(w)
	case "if_inet6":
		v.ifInet6(w)
	case "igmp":
		v.igmp(w)
	case "igmp6":
		v.igmp6(w)
	case "route":
		v.route(w)
	case "ipv6_route":
		v.route6(w)
	case "rt6_stats":
		w.WriteString("0000 0000 0000 0000 0000 0000 0000\n")
	case "rt_cache":
		w.WriteString("Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource\t\tMTU\tWindow\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst                          \n")
	case "snmp":
		v.counters(w, snmpGroups())
	case "netstat":
		v.counters(w, netstatGroups())
	case "snmp6":
		v.snmp6(w)
	case "sockstat":
		v.sockstat(w)
	case "sockstat6":
		v.sockstat6(w)
	case "protocols":
		v.protocols(w)
	case "psched":
		w.WriteString("000003e8 00000040 000f4240 3b9aca00\n")
	case "ptype":
		w.WriteString("Type Device      Function\n0800          ip_rcv\n0806          arp_rcv\n86dd          ipv6_rcv\n")
	case "softnet_stat":
		w.WriteString("00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n")
	case "ip_tables_names", "ip6_tables_names":
		v.tables(w, name == "ip6_tables_names")
	case "nf_conntrack":
		v.connections(w)
	case "packet":
		v.packet(w)
	default:
		v.sockets(name, w)
	}
}

// all returns the sockets of a protocol and family, by inode, so that a list
// that is read piece by piece is always in the same order.
func (v *View) all(family, protocol int) []stack.SocketInfo {
	var infos []stack.SocketInfo
	for s := range v.stack.Sockets(family, protocol) {
		if i := s.Info(); i.Family == family {
			infos = append(infos, i)
		}
	}
	slices.SortStableFunc(infos, func(a, b stack.SocketInfo) int {
		// Listeners first, then by age.
		if x, y := a.State == tcpListen, b.State == tcpListen; x != y {
			if x {
				return -1
			}
			return 1
		}
		switch {
		case a.Owner.Inode < b.Owner.Inode:
			return -1
		case a.Owner.Inode > b.Owner.Inode:
			return 1
		}
		return 0
	})
	return infos
}

// Parameters implements socket.Controller.
func (v *View) Parameters() []socket.Parameter {
	all := v.stack.Tunables()
	ps := make([]socket.Parameter, len(all))
	for i, p := range all {
		ps[i] = socket.Parameter{Path: p.Path, Mode: p.Mode}
	}
	return append(ps, trackerParameters()...) // "netfilter" comes behind "ipv6"
}

// Parameter implements socket.Controller.
func (v *View) Parameter(path string) (string, error) {
	if name, ok := strings.CutPrefix(path, trackerPrefix); ok {
		return v.trackerParameter(name)
	}
	return v.stack.Tunable(path)
}

// SetParameter implements socket.Controller.
func (v *View) SetParameter(path, value string) error {
	if name, ok := strings.CutPrefix(path, trackerPrefix); ok {
		return v.setTrackerParameter(name, value)
	}
	return v.stack.SetTunable(path, value)
}

// name returns the name of an interface, "*" if it has gone.
func (v *View) name(index int) string {
	if n := v.stack.NIC(index); n != nil {
		return n.Info().Name
	}
	return "*"
}

// nic returns the interface of a name: ENODEV.
func (v *View) nic(name string) (*stack.NIC, error) {
	if n := v.stack.NICByName(name); n != nil {
		return n, nil
	}
	return nil, unix.ENODEV
}
