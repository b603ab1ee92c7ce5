package rtnetlink

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/socket/netlink/wire"
)

// The attributes of RTM_NEWNETCONF, and the interfaces that stand for all and
// for those to come (NETCONFA_IFINDEX_*).
const (
	netconfIndex          = 1
	netconfForwarding     = 2
	netconfRPFilter       = 3
	netconfMCForwarding   = 4
	netconfProxyNeigh     = 5
	netconfIgnoreLinkdown = 6
	netconfBCForwarding   = 8

	netconfAll     = -1
	netconfDefault = -2
)

// netconf writes what /proc/sys/net/ipv?/conf says of an interface.
func (c *call) netconf(b *wire.Builder, flags uint16, v6 bool, index int, name string) {
	family, proxy := "ipv4", "proxy_arp"
	if v6 {
		family, proxy = "ipv6", "proxy_ndp"
	}
	// A name with a dot stands in the path with a slash, as sysctl(8) has it.
	prefix := family + "/conf/" + strings.ReplaceAll(name, "/", ".") + "/"
	tunable := func(name string) uint32 {
		v, err := c.stack.Tunable(prefix + name)
		if err != nil || strings.TrimSpace(v) == "0" {
			return 0
		}
		return 1
	}
	c.message(b, unix.RTM_NEWNETCONF, flags, []byte{familyOf(v6)}, func(b *wire.Builder) {
		b.U32(netconfIndex, uint32(int32(index)))
		b.U32(netconfForwarding, tunable("forwarding"))
		if !v6 {
			b.U32(netconfRPFilter, tunable("rp_filter"))
		}
		b.U32(netconfMCForwarding, tunable("mc_forwarding"))
		if !v6 {
			b.U32(netconfBCForwarding, tunable("bc_forwarding"))
		}
		b.U32(netconfProxyNeigh, tunable(proxy))
		b.U32(netconfIgnoreLinkdown, tunable("ignore_routes_with_linkdown"))
	})
}

func (c *call) dumpNetconf(family uint8) error {
	type item struct {
		v6    bool
		index int
		name  string
	}
	var all []item
	for _, v6 := range families(family) {
		for _, n := range c.stack.NICs() {
			all = append(all, item{v6, n.Index(), n.Info().Name})
		}
		all = append(all, item{v6, netconfAll, "all"}, item{v6, netconfDefault, "default"})
	}
	return c.Dump(len(all), func(b *wire.Builder, i int) { c.netconf(b, unix.NLM_F_MULTI, all[i].v6, all[i].index, all[i].name) })
}

func (c *call) getNetconf(family uint8) error {
	v6, ok := isIP(family)
	if !ok {
		return unix.EOPNOTSUPP
	}
	a, err := c.Attrs(1, wire.Policy{netconfIndex: {Kind: wire.U32}}, false)
	if err != nil {
		return err
	}
	if !a.Has(netconfIndex) {
		return unix.EINVAL
	}
	index := int(int32(a.U32(netconfIndex)))
	name := map[int]string{netconfAll: "all", netconfDefault: "default"}[index]
	if n := c.stack.NIC(index); n != nil {
		name = n.Info().Name
	}
	if name == "" {
		return unix.EINVAL
	}
	c.Reply(func(b *wire.Builder) { c.netconf(b, 0, v6, index, name) })
	return nil
}

// The attributes of RTM_NEWQDISC.
const (
	tcaKind = 1
	tcRoot  = 0xffffffff // TC_H_ROOT
)

// dumpQdiscs says that nothing queues: "noqueue" of each interface that is up.
func (c *call) dumpQdiscs() error {
	index := 0
	if len(c.Body) >= 8 {
		index = int(int32(binary.NativeEndian.Uint32(c.Body[4:])))
	}
	var all []int
	for _, n := range c.stack.NICs() {
		if i := n.Info(); i.Flags&unix.IFF_UP != 0 && (index == 0 || index == i.Index) {
			all = append(all, i.Index)
		}
	}
	return c.Dump(len(all), func(b *wire.Builder, i int) {
		ne := binary.NativeEndian
		h := make([]byte, 4, 20) // struct tcmsg
		h = ne.AppendUint32(h, uint32(all[i]))
		h = ne.AppendUint32(h, 0)
		h = ne.AppendUint32(h, tcRoot)
		h = ne.AppendUint32(h, 2)
		c.message(b, unix.RTM_NEWQDISC, unix.NLM_F_MULTI, h, func(b *wire.Builder) { b.String(tcaKind, "noqueue") })
	})
}
