package nfnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The messages of ctnetlink, IPCTNL_MSG_CT_*, and its attributes, CTA_*, of
// linux/netfilter/nfnetlink_conntrack.h.
const (
	ctNew         = 0
	ctGet         = 1
	ctDelete      = 2
	ctGetZero     = 3
	ctGetStatsCPU = 4
	ctGetStats    = 5

	ctaOrig       = 1
	ctaReply      = 2
	ctaStatus     = 3
	ctaProtoInfo  = 4
	ctaTimeout    = 7
	ctaMark       = 8
	ctaCountOrig  = 9
	ctaCountReply = 10
	ctaUse        = 11
	ctaID         = 12
	ctaZone       = 18
	ctaMarkMask   = 21
	ctaLast       = 26

	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaTupleZone  = 3 // of one direction only

	ctaNATSrc = 6
	ctaNATDst = 13

	ctaNATMin4    = 1 // CTA_NAT_V4_MINIP
	ctaNATMax4    = 2
	ctaNATProto   = 3
	ctaNATMin6    = 4
	ctaNATMax6    = 5
	ctaNATPortMin = 1 // CTA_PROTONAT_PORT_MIN
	ctaNATPortMax = 2

	ctaV4Src = 1
	ctaV4Dst = 2
	ctaV6Src = 3
	ctaV6Dst = 4

	ctaProtoNum  = 1
	ctaSrcPort   = 2
	ctaDstPort   = 3
	ctaICMPID    = 4
	ctaICMPType  = 5
	ctaICMPCode  = 6
	ctaICMP6ID   = 7
	ctaICMP6Type = 8
	ctaICMP6Code = 9

	ctaInfoTCP  = 1
	ctaTCPState = 1
)

func connPolicy() wire.Policy {
	return all(ctaLast, wire.Any, map[int]wire.Rule{
		ctaOrig: {Kind: wire.Nested}, ctaReply: {Kind: wire.Nested}, ctaMark: {Kind: wire.U32}, ctaMarkMask: {Kind: wire.U32},
		ctaID: {Kind: wire.U32}, ctaTimeout: {Kind: wire.U32}, ctaZone: {Kind: wire.U16}, ctaStatus: {Kind: wire.U32},
	})
}

// conntrack answers a request about connections.
func (c *call) conntrack(msg uint16) error {
	conns := c.rules.Conns()
	switch msg {
	case ctGet, ctGetZero:
		if c.IsDump() {
			return c.dumpConns()
		}
		x, err := c.findConn()
		if err != nil {
			return err
		}
		c.Reply(func(b *wire.Builder) {
			c.Begin(b, subsysConntrack<<8|ctNew, 0)
			writeConn(b, x, c.rules.Now(), conns.Tunables().Accounting, false)
			b.End()
		})
		return nil
	case ctDelete:
		return c.deleteConns()
	case ctNew:
		return c.changeConn()
	case ctGetStatsCPU:
		return c.Dump(0, nil)
	case ctGetStats:
		c.Reply(func(b *wire.Builder) {
			c.Begin(b, subsysConntrack<<8|ctGetStats, 0)
			b.Append(0, 0, 0, 0)
			b.U32BE(1, uint32(len(conns.All(c.rules.Now()))))
			b.U32BE(2, uint32(conns.Tunables().Max))
			b.End()
		})
		return nil
	}
	return unix.EINVAL
}

// wants reports whether a request's family is that of a connection.
func (c *call) wants(x *conntrack.Conn) bool {
	switch c.Body[0] {
	case unix.AF_INET:
		return !x.V6()
	case unix.AF_INET6:
		return x.V6()
	}
	return true
}

// inZone reports whether a connection is in the zone that a request asks for, if it
// asks for one, in either direction.
func inZone(a wire.Attrs, x *conntrack.Conn) bool {
	z := a.U16BE(ctaZone)
	return !a.Has(ctaZone) || x.Original().Zone == z || x.Reply().Zone == z
}

func (c *call) dumpConns() error {
	a, err := c.Attrs(headerSize, connPolicy(), false)
	if err != nil {
		return err
	}
	mask := ^uint32(0)
	if a.Has(ctaMarkMask) {
		mask = a.U32BE(ctaMarkMask)
	}
	var list []*conntrack.Conn
	for _, x := range c.rules.Conns().All(c.rules.Now()) {
		if c.wants(x) && inZone(a, x) && (!a.Has(ctaMark) || x.Mark()&mask == a.U32BE(ctaMark)) {
			list = append(list, x)
		}
	}
	counts := c.rules.Conns().Tunables().Accounting
	return c.Dump(len(list), func(b *wire.Builder, i int) {
		c.Begin(b, subsysConntrack<<8|ctNew, unix.NLM_F_MULTI)
		writeConn(b, list[i], c.rules.Now(), counts, false)
		b.End()
	})
}

// writeConn writes struct nfgenmsg and the attributes of a connection. An event
// says less than an answer.
func writeConn(b *wire.Builder, x *conntrack.Conn, now int64, counts, event bool) {
	family := uint8(unix.AF_INET)
	if x.V6() {
		family = unix.AF_INET6
	}
	b.Append(family, 0, 0, 0)
	zone := x.Original().Zone
	both := zone == x.Reply().Zone
	writeTuple(b, ctaOrig, x.Original(), both)
	writeTuple(b, ctaReply, x.Reply(), both)
	b.U32BE(ctaStatus, uint32(x.Status()))
	b.U32BE(ctaTimeout, uint32((max(x.Deadline()-now, 0)+5e8)/1e9))
	if counts {
		for _, reply := range []bool{false, true} {
			packets, bytes := x.Counts(reply)
			n := b.NestFlagged(pick(reply, ctaCountReply, ctaCountOrig))
			b.U64BE(1, packets)
			b.U64BE(2, bytes)
			b.Close(n)
		}
	}
	if x.Original().Proto == header.ProtocolTCP {
		n := b.NestFlagged(ctaProtoInfo)
		tcp := b.NestFlagged(ctaInfoTCP)
		b.U8(ctaTCPState, uint8(x.TCP()))
		b.Close(tcp)
		b.Close(n)
	}
	if m := x.Mark(); m != 0 || !event {
		b.U32BE(ctaMark, m)
	}
	b.U32BE(ctaID, x.ID())
	if !event {
		b.U32BE(ctaUse, 1)
	}
	if both && zone != 0 {
		b.U16BE(ctaZone, zone)
	}
}

// writeTuple writes a direction, without its zone if both have the same.
func writeTuple(b *wire.Builder, typ uint16, t conntrack.Tuple, both bool) {
	n := b.NestFlagged(typ)
	ip := b.NestFlagged(ctaTupleIP)
	v4 := t.Src.Is4()
	b.Addr(pick(v4, ctaV4Src, ctaV6Src), t.Src)
	b.Addr(pick(v4, ctaV4Dst, ctaV6Dst), t.Dst)
	b.Close(ip)
	proto := b.NestFlagged(ctaTupleProto)
	b.U8(ctaProtoNum, uint8(t.Proto))
	switch t.Proto {
	case header.ProtocolICMP, header.ProtocolICMPv6:
		b.U16BE(pick(v4, ctaICMPID, ctaICMP6ID), t.SrcPort)
		b.U8(pick(v4, ctaICMPType, ctaICMP6Type), uint8(t.DstPort>>8))
		b.U8(pick(v4, ctaICMPCode, ctaICMP6Code), uint8(t.DstPort))
	default:
		b.U16BE(ctaSrcPort, t.SrcPort)
		b.U16BE(ctaDstPort, t.DstPort)
	}
	b.Close(proto)
	if !both && t.Zone != 0 {
		b.U16BE(ctaTupleZone, t.Zone)
	}
	b.Close(n)
}

// tuple reads what writeTuple wrote.
func (c *call) tuple(v []byte, zone uint16) (t conntrack.Tuple, err error) {
	a, werr := wire.Parse(v, all(3, wire.Any, map[int]wire.Rule{
		ctaTupleIP: {Kind: wire.Nested}, ctaTupleProto: {Kind: wire.Nested}, ctaTupleZone: {Kind: wire.U16},
	}), false)
	if werr != nil {
		return t, c.Refuse(werr, headerSize)
	}
	ip, werr := a.Nested(ctaTupleIP, all(4, wire.Any, nil))
	if werr != nil {
		return t, c.Refuse(werr, headerSize)
	}
	p, werr := a.Nested(ctaTupleProto, all(9, wire.Any, map[int]wire.Rule{ctaProtoNum: {Kind: wire.U8}}))
	if werr != nil {
		return t, c.Refuse(werr, headerSize)
	}
	t.Zone, t.Proto = zone, header.Protocol(p.U8(ctaProtoNum))
	if a.Has(ctaTupleZone) {
		t.Zone = a.U16BE(ctaTupleZone)
	}
	if ip.Has(ctaV4Src) {
		t.Src, t.Dst = ip.Addr(ctaV4Src), ip.Addr(ctaV4Dst)
	} else {
		t.Src, t.Dst = ip.Addr(ctaV6Src), ip.Addr(ctaV6Dst)
	}
	if !t.Src.IsValid() || !t.Dst.IsValid() || t.Src.Is4() != t.Dst.Is4() {
		return t, unix.EINVAL
	}
	switch t.Proto {
	case header.ProtocolICMP:
		t.SrcPort, t.DstPort = p.U16BE(ctaICMPID), uint16(p.U8(ctaICMPType))<<8|uint16(p.U8(ctaICMPCode))
	case header.ProtocolICMPv6:
		t.SrcPort, t.DstPort = p.U16BE(ctaICMP6ID), uint16(p.U8(ctaICMP6Type))<<8|uint16(p.U8(ctaICMP6Code))
	default:
		t.SrcPort, t.DstPort = p.U16BE(ctaSrcPort), p.U16BE(ctaDstPort)
	}
	return t, nil
}

// findConn returns the connection that a request names by a tuple.
func (c *call) findConn() (*conntrack.Conn, error) {
	a, err := c.Attrs(headerSize, connPolicy(), false)
	if err != nil {
		return nil, err
	}
	which := ctaOrig
	if !a.Has(ctaOrig) {
		which = ctaReply
	}
	if !a.Has(which) {
		return nil, unix.EINVAL
	}
	t, err := c.tuple(a.Bytes(which), a.U16BE(ctaZone))
	if err != nil {
		return nil, err
	}
	x, ok := c.rules.Conns().Find(t, c.rules.Now())
	if !ok || a.Has(ctaID) && a.U32BE(ctaID) != x.ID() {
		return nil, unix.ENOENT
	}
	return x, nil
}

// deleteConns removes one connection, or all of a family and zone.
func (c *call) deleteConns() error {
	a, err := c.Attrs(headerSize, connPolicy(), false)
	if err != nil {
		return err
	}
	conns := c.rules.Conns()
	if a.Has(ctaOrig) || a.Has(ctaReply) {
		x, err := c.findConn()
		if err != nil {
			return err
		}
		return conns.Delete(x)
	}
	for _, x := range conns.All(c.rules.Now()) {
		if c.wants(x) && inZone(a, x) {
			_ = conns.Delete(x) // it may have gone by itself
		}
	}
	return nil
}

// Watch implements netlink.Watcher: the groups of ctnetlink are told of connections.
func (Protocol) Watch(n *netlink.Net) (stop func()) {
	rules := n.Stack.Rules()
	rules.Conns().Watch(func(e conntrack.Event, x *conntrack.Conn) {
		group, typ, flags := uint32(groupConnNew), uint16(ctNew), uint16(unix.NLM_F_CREATE|unix.NLM_F_EXCL)
		switch e {
		case conntrack.Updated:
			group, flags = groupConnUpdate, 0
		case conntrack.Destroyed:
			group, typ, flags = groupConnDestroy, ctDelete, 0
		}
		if !n.Listening(unix.NETLINK_NETFILTER, group) {
			return
		}
		var b wire.Builder
		b.Begin(subsysConntrack<<8|typ, flags, 0, 0)
		writeConn(&b, x, rules.Now(), rules.Conns().Tunables().Accounting, true)
		b.End()
		n.Multicast(unix.NETLINK_NETFILTER, group, b.Bytes(), nil)
	})
	return func() { rules.Conns().Watch(nil) }
}
