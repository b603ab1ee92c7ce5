package netview

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
	"hull/sentry/socket"
	"hull/sentry/socket/xtables"
)

// tables is /proc/net/ip_tables_names, and ip6_tables_names: what iptables-legacy
// has set.
func (v *View) tables(w *bytes.Buffer, v6 bool) {
	for _, name := range (xtables.Tables{Stack: v.stack, V6: v6}).Names() {
		w.WriteString(name + "\n")
	}
}

// trackerPrefix is what the parameters of the connection tracker begin with.
const trackerPrefix = "netfilter/nf_conntrack_"

// Those that only tell.
const (
	trackerBuckets = "buckets"
	trackerCount   = "count"
)

// frag6 is the ipv6/ip6frag_* that a parameter of the tracker's own reassembly stands
// for: there is one reassembly for both.
func frag6(name string) (path string, ok bool) {
	switch name {
	case "frag6_high_thresh", "frag6_low_thresh":
		return "ipv6/ip6" + strings.Replace(name, "6", "", 1), true
	case "frag6_timeout":
		return "ipv6/ip6frag_time", true
	}
	return "", false
}

// trackerParameters are the parameters of the connection tracker, sorted.
func trackerParameters() []socket.Parameter {
	var all []socket.Parameter
	for _, name := range conntrack.TunableNames() {
		all = append(all, socket.Parameter{Path: trackerPrefix + name, Mode: 0o644})
	}
	for _, name := range []string{"frag6_high_thresh", "frag6_low_thresh", "frag6_timeout"} {
		all = append(all, socket.Parameter{Path: trackerPrefix + name, Mode: 0o644})
	}
	for _, name := range []string{trackerBuckets, trackerCount} {
		all = append(all, socket.Parameter{Path: trackerPrefix + name, Mode: 0o444})
	}
	slices.SortFunc(all, func(a, b socket.Parameter) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// conns is the connection tracker, nil if nothing has asked for one yet.
func (v *View) conns() *conntrack.Table {
	if !v.stack.HasRules() {
		return nil
	}
	return v.stack.Rules().Conns()
}

func (v *View) trackerParameter(name string) (string, error) {
	if path, ok := frag6(name); ok {
		return v.stack.Tunable(path)
	}
	t, c := conntrack.DefaultTunables(), v.conns()
	if c != nil {
		t = c.Tunables()
	}
	switch name {
	case trackerCount:
		if c == nil {
			return "0", nil
		}
		return strconv.Itoa(c.Len()), nil
	case trackerBuckets:
		name = "max" // as Linux has it unless somebody says otherwise
	}
	n, err := t.Get(name)
	return strconv.Itoa(n), err
}

func (v *View) setTrackerParameter(name, value string) error {
	if path, ok := frag6(name); ok {
		return v.stack.SetTunable(path, value)
	}
	if name == trackerCount || name == trackerBuckets {
		return unix.EACCES
	}
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil {
		return unix.EINVAL
	}
	c := v.stack.Rules().Conns()
	t := c.Tunables()
	if err := t.Set(name, n); err != nil {
		return err
	}
	c.SetTunables(t)
	return nil
}

// connections is /proc/net/nf_conntrack.
func (v *View) connections(w *bytes.Buffer) {
	c := v.conns()
	if c == nil {
		return
	}
	now, counts := v.now(), c.Tunables().Accounting
	all := c.All(now)
	slices.SortFunc(all, func(a, b *conntrack.Conn) int { return cmp.Compare(b.ID(), a.ID()) })
	for _, x := range all {
		connection(w, x, now, counts)
	}
}

func connection(w *bytes.Buffer, x *conntrack.Conn, now int64, counts bool) {
	family, number := "ipv4", unix.AF_INET
	if x.V6() {
		family, number = "ipv6", unix.AF_INET6
	}
	o := x.Original()
	name := map[header.Protocol]string{header.ProtocolTCP: "tcp", header.ProtocolUDP: "udp", header.ProtocolICMP: "icmp",
		header.ProtocolICMPv6: "icmpv6", header.ProtocolUDPLite: "udplite", header.ProtocolSCTP: "sctp"}[o.Proto]
	if name == "" {
		name = "unknown"
	}
	fmt.Fprintf(w, "%-8s %d %-8s %d %d ", family, number, name, uint8(o.Proto), max(x.Deadline()-now, 0)/1e9)
	if o.Proto == header.ProtocolTCP {
		fmt.Fprintf(w, "%s ", x.TCP())
	}
	direction(w, x, o, false, counts)
	if x.Status()&conntrack.SeenReply == 0 {
		w.WriteString("[UNREPLIED] ")
	}
	direction(w, x, x.Reply(), true, counts)
	if x.Status()&conntrack.Assured != 0 {
		w.WriteString("[ASSURED] ")
	}
	fmt.Fprintf(w, "mark=%d ", x.Mark())
	if o.Zone == x.Reply().Zone {
		fmt.Fprintf(w, "zone=%d ", o.Zone)
	}
	w.WriteString("use=2\n")
}

// direction writes the tuple of a direction, and what was counted in it.
func direction(w *bytes.Buffer, x *conntrack.Conn, t conntrack.Tuple, reply, counts bool) {
	src, dst := t.Src.String(), t.Dst.String()
	if x.V6() {
		src, dst = t.Src.StringExpanded(), t.Dst.StringExpanded()
	}
	fmt.Fprintf(w, "src=%s dst=%s ", src, dst)
	switch t.Proto {
	case header.ProtocolTCP, header.ProtocolUDP, header.ProtocolUDPLite, header.ProtocolSCTP:
		fmt.Fprintf(w, "sport=%d dport=%d ", t.SrcPort, t.DstPort)
	case header.ProtocolICMP, header.ProtocolICMPv6:
		fmt.Fprintf(w, "type=%d code=%d id=%d ", t.DstPort>>8, t.DstPort&0xff, t.SrcPort)
	}
	if t.Zone != 0 && x.Original().Zone != x.Reply().Zone {
		fmt.Fprintf(w, "zone-%s=%d ", map[bool]string{false: "orig", true: "reply"}[reply], t.Zone)
	}
	if counts {
		packets, bytes := x.Counts(reply)
		fmt.Fprintf(w, "packets=%d bytes=%d ", packets, bytes)
	}
}
