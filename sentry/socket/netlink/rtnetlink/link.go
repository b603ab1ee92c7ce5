package rtnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/link/tun"
	"hull/netstack/stack"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// ifinfomsg is struct ifinfomsg.
type ifinfomsg struct {
	family uint8
	typ    uint16
	index  int
	flags  uint32
	change uint32
}

const ifinfoSize = unix.SizeofIfInfomsg

func parseIfinfo(b []byte) (m ifinfomsg, ok bool) {
	if len(b) < ifinfoSize {
		return m, false
	}
	ne := binary.NativeEndian
	return ifinfomsg{b[0], ne.Uint16(b[2:]), int(int32(ne.Uint32(b[4:]))), ne.Uint32(b[8:]), ne.Uint32(b[12:])}, true
}

func (m ifinfomsg) bytes() []byte {
	ne := binary.NativeEndian
	b := []byte{m.family, 0}
	b = ne.AppendUint16(b, m.typ)
	b = ne.AppendUint32(b, uint32(int32(m.index)))
	b = ne.AppendUint32(b, m.flags)
	return ne.AppendUint32(b, m.change)
}

// The attributes that x/sys does not name, and values of some.
const (
	ifaNameMax = unix.IFNAMSIZ - 1

	extFilterSkipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS
)

// writeLink writes the attributes of RTM_NEWLINK.
func writeLink(n *netlink.Net, b *wire.Builder, i *stack.NICInfo, ext uint32) {
	b.String(unix.IFLA_IFNAME, i.Name)
	b.U32(unix.IFLA_TXQLEN, uint32(i.TxQLen))
	b.U8(unix.IFLA_OPERSTATE, uint8(i.OperState()))
	b.U8(unix.IFLA_LINKMODE, 0)
	b.U32(unix.IFLA_MTU, uint32(i.MTU))
	lo, hi := mtuBounds(i)
	b.U32(unix.IFLA_MIN_MTU, lo)
	b.U32(unix.IFLA_MAX_MTU, hi)
	b.U32(unix.IFLA_GROUP, i.Group)
	b.U32(unix.IFLA_PROMISCUITY, truth(i.Flags&unix.IFF_PROMISC))
	b.U32(unix.IFLA_NUM_TX_QUEUES, 1)
	b.U32(unix.IFLA_GSO_MAX_SEGS, 65535)
	b.U32(unix.IFLA_GSO_MAX_SIZE, 65536)
	b.U32(unix.IFLA_NUM_RX_QUEUES, 1)
	if i.Parent != 0 {
		b.U32(unix.IFLA_LINK, uint32(i.Parent))
	}
	if id, ok := linkNSID(n, i); ok {
		b.U32(unix.IFLA_LINK_NETNSID, uint32(id))
	}
	if i.Master != 0 {
		b.U32(unix.IFLA_MASTER, uint32(i.Master))
	}
	b.U8(unix.IFLA_CARRIER, uint8(truth(i.Flags&unix.IFF_LOWER_UP)))
	b.String(unix.IFLA_QDISC, qdisc(i))
	if i.Alias != "" {
		b.String(unix.IFLA_IFALIAS, i.Alias)
	}
	b.U8(unix.IFLA_PROTO_DOWN, 0)
	if i.HWType != link.RawIP {
		b.Attr(unix.IFLA_ADDRESS, i.Address[:])
		broadcast := link.Broadcast()
		if i.HWType == link.Loopback {
			broadcast = link.Address{}
		}
		b.Attr(unix.IFLA_BROADCAST, broadcast[:])
	}
	if ext&extFilterSkipStats == 0 {
		b.Attr(unix.IFLA_STATS64, statsBytes(&i.Stats, 8))
		b.Attr(unix.IFLA_STATS, statsBytes(&i.Stats, 4))
	}
	writeLinkInfo(b, i)
	writeAFSpec(b, i)
}

// The attributes of a TUN device (linux/if_link.h).
const (
	tunOwner = 1 + iota
	tunGroup
	tunType
	tunPI
	tunVnetHdr
	tunPersist
	tunMultiQueue
	tunNumQueues
	tunNumDisabled
)

func writeTun(b *wire.Builder, t *tun.Info) {
	if t == nil {
		return
	}
	flag := func(typ int, on bool) {
		v := uint8(0)
		if on {
			v = 1
		}
		b.U8(uint16(typ), v)
	}
	data := b.Nest(unix.IFLA_INFO_DATA)
	b.U8(tunType, uint8(t.Flags&(unix.IFF_TUN|unix.IFF_TAP)))
	if t.Owner != tun.NoID {
		b.U32(tunOwner, t.Owner)
	}
	if t.Group != tun.NoID {
		b.U32(tunGroup, t.Group)
	}
	flag(tunPI, t.Flags&unix.IFF_NO_PI == 0)
	flag(tunVnetHdr, t.Flags&unix.IFF_VNET_HDR != 0)
	flag(tunPersist, t.Persist)
	flag(tunMultiQueue, t.Flags&unix.IFF_MULTI_QUEUE != 0)
	if t.Flags&unix.IFF_MULTI_QUEUE != 0 {
		b.U32(tunNumQueues, uint32(t.Queues))
		b.U32(tunNumDisabled, uint32(t.Resting))
	}
	b.Close(data)
}

// writeLinkInfo writes IFLA_LINKINFO of those that `ip link add` makes.
func writeLinkInfo(b *wire.Builder, i *stack.NICInfo) {
	made := i.Kind != stack.KindDevice && i.Kind != stack.KindLoopback
	if !made && i.Master == 0 {
		return
	}
	info := b.Nest(unix.IFLA_LINKINFO)
	if made {
		b.String(unix.IFLA_INFO_KIND, string(i.Kind))
	}
	switch i.Kind {
	case stack.KindVLAN:
		data := b.Nest(unix.IFLA_INFO_DATA)
		b.U16BE(unix.IFLA_VLAN_PROTOCOL, unix.ETH_P_8021Q)
		b.U16(unix.IFLA_VLAN_ID, i.VLAN)
		b.Attr(unix.IFLA_VLAN_FLAGS, binary.NativeEndian.AppendUint64(nil, 1)) // VLAN_FLAG_REORDER_HDR, no mask
		b.Close(data)
	case stack.KindTun:
		writeTun(b, i.Tun)
	case stack.KindBridge:
		data := b.Nest(unix.IFLA_INFO_DATA)
		b.U32(unix.IFLA_BR_FORWARD_DELAY, 1500)
		b.U32(unix.IFLA_BR_HELLO_TIME, 200)
		b.U32(unix.IFLA_BR_MAX_AGE, 2000)
		b.U32(unix.IFLA_BR_AGEING_TIME, 30000)
		b.U32(unix.IFLA_BR_STP_STATE, 0)
		b.U16(unix.IFLA_BR_PRIORITY, 0x8000)
		b.U8(unix.IFLA_BR_VLAN_FILTERING, 0)
		b.Close(data)
	}
	if i.Master != 0 {
		b.String(unix.IFLA_INFO_SLAVE_KIND, "bridge")
		data := b.Nest(unix.IFLA_INFO_SLAVE_DATA)
		state := uint8(0) // disabled
		if i.Flags&unix.IFF_LOWER_UP != 0 && i.Flags&unix.IFF_UP != 0 {
			state = 3 // forwarding
		}
		b.U8(unix.IFLA_BRPORT_STATE, state)
		b.U16(unix.IFLA_BRPORT_PRIORITY, 32)
		b.U32(unix.IFLA_BRPORT_COST, 2)
		b.Close(data)
	}
	b.Close(info)
}

func truth(v uint32) uint32 {
	if v != 0 {
		return 1
	}
	return 0
}

// qdisc is what stands for a queue: there is none.
func qdisc(i *stack.NICInfo) string {
	if !i.Used {
		return "noop"
	}
	return "noqueue"
}

func mtuBounds(i *stack.NICInfo) (lo, hi uint32) {
	switch i.Kind {
	case stack.KindLoopback, stack.KindDummy:
		return 0, 0
	case stack.KindVLAN:
		return 0, 65535
	case stack.KindTun:
		return 68, 65521
	case stack.KindDevice, stack.KindVeth, stack.KindBridge:
	}
	return 68, 65535
}

// statsBytes is struct rtnl_link_stats64, or with a size of 4 rtnl_link_stats.
func statsBytes(s *stack.NICStats, size int) []byte {
	all := [25]uint64{
		s.RxPackets, s.TxPackets, s.RxBytes, s.TxBytes, s.RxErrors, s.TxErrors, s.RxDropped, s.TxDropped, s.Multicast,
	}
	if size == 8 {
		var b []byte
		for _, v := range all {
			b = binary.NativeEndian.AppendUint64(b, v)
		}
		return b
	}
	var b []byte
	for _, v := range all[:24] {
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// link writes one interface as a message of typ.
func (c *call) link(b *wire.Builder, typ, flags uint16, i *stack.NICInfo, ext uint32) {
	c.message(b, typ, flags, linkHeader(i).bytes(), func(b *wire.Builder) { writeLink(c.Net, b, i, ext) })
}

func linkHeader(i *stack.NICInfo) ifinfomsg {
	return ifinfomsg{family: unix.AF_UNSPEC, typ: uint16(i.HWType), index: i.Index, flags: i.Flags}
}

// linkPolicy is what is checked of RTM_*LINK.
func linkPolicy() wire.Policy {
	return wire.Policy{
		unix.IFLA_ADDRESS:     {Kind: wire.Any, Max: 32},
		unix.IFLA_BROADCAST:   {Kind: wire.Any, Max: 32},
		unix.IFLA_IFNAME:      {Kind: wire.String, Max: ifaNameMax},
		unix.IFLA_MTU:         {Kind: wire.U32},
		unix.IFLA_LINK:        {Kind: wire.U32},
		unix.IFLA_MASTER:      {Kind: wire.U32},
		unix.IFLA_TXQLEN:      {Kind: wire.U32},
		unix.IFLA_OPERSTATE:   {Kind: wire.U8},
		unix.IFLA_LINKMODE:    {Kind: wire.U8},
		unix.IFLA_LINKINFO:    {Kind: wire.Nested},
		unix.IFLA_NET_NS_PID:  {Kind: wire.U32},
		unix.IFLA_IFALIAS:     {Kind: wire.Any, Max: 255},
		unix.IFLA_GROUP:       {Kind: wire.U32},
		unix.IFLA_NET_NS_FD:   {Kind: wire.U32},
		unix.IFLA_EXT_MASK:    {Kind: wire.U32},
		unix.IFLA_PROMISCUITY: {Kind: wire.U32},
		unix.IFLA_AF_SPEC:     {Kind: wire.Nested},
		unix.IFLA_ALT_IFNAME:  {Kind: wire.String, Max: 127},
		unix.IFLA_PROP_LIST:   {Kind: wire.Nested},
	}
}

// find returns the interface that a message names, by its index or name.
func (c *call) find(m ifinfomsg, a wire.Attrs) (*stack.NIC, error) {
	var n *stack.NIC
	switch {
	case m.index > 0:
		n = c.stack.NIC(m.index)
	case a.Has(unix.IFLA_IFNAME):
		n = c.stack.NICByName(a.String(unix.IFLA_IFNAME))
	case a.Has(unix.IFLA_ALT_IFNAME):
		n = c.stack.NICByName(a.String(unix.IFLA_ALT_IFNAME))
	default:
		return nil, unix.EINVAL
	}
	if n == nil {
		return nil, unix.ENODEV
	}
	return n, nil
}

func (c *call) getLink() error {
	m, _ := parseIfinfo(c.Body)
	a, err := c.Attrs(ifinfoSize, linkPolicy(), c.Strict())
	if err != nil {
		return err
	}
	n, err := c.find(m, a)
	if err != nil {
		return err
	}
	i := n.Info()
	c.Reply(func(b *wire.Builder) { c.link(b, unix.RTM_NEWLINK, 0, &i, a.U32(unix.IFLA_EXT_MASK)) })
	return nil
}

func (c *call) dumpLinks(family uint8) error {
	// Old programs send struct rtgenmsg only.
	fixed := min(len(c.Body), ifinfoSize)
	if fixed == ifinfoSize {
		// rtgenmsg and an IFLA_EXT_MASK of 8 bytes are shorter than this.
		if m, _ := parseIfinfo(c.Body); c.Strict() && (m.index != 0 || m.flags != 0 || m.change != 0) {
			return c.Fail(unix.EINVAL, "Filter by device index not supported for link dumps")
		}
	} else if c.Strict() {
		return c.Fail(unix.EINVAL, "Invalid header for link dump")
	}
	p := linkPolicy()
	p[unix.IFLA_LINKINFO].Kind = wire.Any // nobody has to say that it is nested
	a, err := c.Attrs(fixed, p, c.Strict())
	if err != nil {
		return err
	}
	master, ext := int(a.U32(unix.IFLA_MASTER)), a.U32(unix.IFLA_EXT_MASK)
	kind := ""
	if a.Has(unix.IFLA_LINKINFO) {
		info, _ := a.Nested(unix.IFLA_LINKINFO, infoPolicy())
		kind = info.String(unix.IFLA_INFO_KIND)
	}
	var all []*stack.NIC
	for _, n := range c.stack.NICs() {
		i := n.Info()
		if master != 0 && i.Master != master || kind != "" && string(i.Kind) != kind || family == unix.AF_BRIDGE && i.Master == 0 {
			continue
		}
		all = append(all, n)
	}
	return c.Dump(len(all), func(b *wire.Builder, k int) {
		i := all[k].Info()
		if i.Index != 0 {
			c.link(b, unix.RTM_NEWLINK, unix.NLM_F_MULTI, &i, ext)
		}
	})
}

func infoPolicy() wire.Policy {
	return wire.Policy{
		unix.IFLA_INFO_KIND: {Kind: wire.String}, unix.IFLA_INFO_DATA: {Kind: wire.Nested},
		unix.IFLA_INFO_SLAVE_KIND: {Kind: wire.String}, unix.IFLA_INFO_SLAVE_DATA: {Kind: wire.Nested},
	}
}
