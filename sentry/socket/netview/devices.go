package netview

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/neigh"
)

func (v *View) dev(w *bytes.Buffer) {
	w.WriteString("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for _, n := range v.stack.NICs() {
		i := n.Info()
		s := &i.Stats
		fmt.Fprintf(w, "%6s: %7d %7d %4d %4d %4d %5d %10d %9d %8d %7d %4d %4d %4d %5d %7d %10d\n", i.Name,
			s.RxBytes, s.RxPackets, s.RxErrors, s.RxDropped, 0, 0, 0, s.Multicast,
			s.TxBytes, s.TxPackets, s.TxErrors, s.TxDropped, 0, 0, 0, 0)
	}
}

// arp is /proc/net/arp: the neighbours of IPv4.
func (v *View) arp(w *bytes.Buffer) {
	const complete, permanent = 2, 4 // ATF_COM, ATF_PERM
	w.WriteString("IP address       HW type     Flags       HW address            Mask     Device\n")
	for _, n := range v.stack.NICs() {
		c := n.Neighbors(false)
		if c == nil {
			continue
		}
		i := n.Info()
		for _, e := range sorted(c.List()) {
			flags := 0
			switch {
			case e.State == neigh.NoARP:
				continue
			case e.State == neigh.Permanent:
				flags = complete | permanent
			case e.State&(neigh.Reachable|neigh.Stale|neigh.Delay|neigh.Probe) != 0:
				flags = complete
			}
			fmt.Fprintf(w, "%-16s 0x%-10x0x%-10x%-17s     *        %s\n", e.Addr, uint16(i.HWType), flags, hardware(e.HW), i.Name)
		}
	}
}

func sorted(is []neigh.Info) []neigh.Info {
	slices.SortFunc(is, func(a, b neigh.Info) int { return a.Addr.Compare(b.Addr) })
	return is
}

func hardware(a link.Address) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}

// ifInet6 is /proc/net/if_inet6: address, index, prefix length, scope, flags.
func (v *View) ifInet6(w *bytes.Buffer) {
	for _, n := range v.stack.NICs() {
		i := n.Info()
		for _, a := range n.Addrs() {
			addr := a.Prefix.Addr()
			if !addr.Is6() {
				continue
			}
			flags := a.Flags
			if a.Valid == 0 {
				flags |= unix.IFA_F_PERMANENT
			}
			b := addr.As16()
			fmt.Fprintf(w, "%x %02x %02x %02x %02x %8s\n", b[:], i.Index, a.Prefix.Bits(), scope6(addr), flags&0xff, i.Name)
		}
	}
}

// scope6 is the scope of an address as IPV6_ADDR_* has it.
func scope6(a netip.Addr) int {
	switch b := a.As16(); {
	case a.IsLoopback():
		return 0x10
	case a.IsLinkLocalUnicast():
		return 0x20
	case b[0] == 0xfe && b[1]&0xc0 == 0xc0:
		return 0x40
	}
	return 0
}

// groups returns the groups of a family that an interface is a member of.
func groups(m map[netip.Addr]int, v6 bool) []netip.Addr {
	var gs []netip.Addr
	for g := range m {
		if g.Is6() == v6 {
			gs = append(gs, g)
		}
	}
	slices.SortFunc(gs, func(a, b netip.Addr) int { return b.Compare(a) })
	return gs
}

func (v *View) igmp(w *bytes.Buffer) {
	w.WriteString("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n")
	for _, n := range v.stack.NICs() {
		m := n.Groups()
		gs := groups(m, false)
		if len(gs) == 0 {
			continue
		}
		i := n.Info()
		fmt.Fprintf(w, "%d\t%-10s: %5d %7s\n", i.Index, i.Name, len(gs), "V3")
		for _, g := range gs {
			b := g.As4()
			fmt.Fprintf(w, "\t\t\t\t%08X %5d %d:%08X\t\t%d\n", binary.LittleEndian.Uint32(b[:]), m[g], 0, 0, 0)
		}
	}
}

func (v *View) igmp6(w *bytes.Buffer) {
	for _, n := range v.stack.NICs() {
		m := n.Groups()
		i := n.Info()
		for _, g := range groups(m, true) {
			b := g.As16()
			fmt.Fprintf(w, "%-4d %-15s %x %5d %08X %d\n", i.Index, i.Name, b[:], m[g], 0xc, 0)
		}
	}
}

// counter is a counter's name and value.
type counter struct {
	name  string
	value uint64
}

func snmpGroups() []string    { return []string{"Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "UdpLite"} }
func netstatGroups() []string { return []string{"TcpExt", "IpExt"} }

// group returns the counters of a group, in the stack's order.
func (v *View) group(name string) (cs []counter) {
	for _, c := range v.stack.Counters() {
		if c.Group == name {
			cs = append(cs, counter{c.Name, c.Value})
		}
	}
	return cs
}

// counters writes groups of counters: a line of names, a line of values.
func (v *View) counters(w *bytes.Buffer, names []string) {
	for _, g := range names {
		cs := v.group(g)
		if len(cs) == 0 {
			continue
		}
		w.WriteString(g + ":")
		for _, c := range cs {
			w.WriteString(" " + c.name)
		}
		w.WriteString("\n" + g + ":")
		for _, c := range cs {
			if c.name == "MaxConn" {
				fmt.Fprintf(w, " %d", int64(c.value)) // -1: no bound
				continue
			}
			fmt.Fprintf(w, " %d", c.value)
		}
		w.WriteByte('\n')
	}
}

func (v *View) snmp6(w *bytes.Buffer) {
	for _, g := range []string{"Ip6", "Icmp6", "Udp6", "UdpLite6"} {
		for _, c := range v.group(g) {
			fmt.Fprintf(w, "%-32s\t%d\n", g+c.name, c.value)
		}
	}
}

// byIndex orders names of interfaces by their numbers.
func (v *View) byIndex() []string {
	type nic struct {
		index int
		name  string
	}
	var all []nic
	for _, n := range v.stack.NICs() {
		i := n.Info()
		all = append(all, nic{i.Index, i.Name})
	}
	slices.SortFunc(all, func(a, b nic) int { return cmp.Compare(a.index, b.index) })
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	return names
}
