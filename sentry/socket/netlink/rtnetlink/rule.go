package rtnetlink

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/route"
	"hull/sentry/socket/netlink/wire"
)

// The attributes of rules, FRA_*, and flags FIB_RULE_*, of linux/fib_rules.h.
const (
	fraDst               = 1
	fraSrc               = 2
	fraIIFName           = 3
	fraGoto              = 4
	fraPriority          = 6
	fraMark              = 10
	fraTunID             = 12
	fraSuppressGroup     = 13
	fraSuppressPrefixLen = 14
	fraTable             = 15
	fraMask              = 16
	fraOIFName           = 17
	fraL3Mdev            = 19
	fraUIDRange          = 20
	fraProtocol          = 21
	fraIPProto           = 22
	fraSportRange        = 23
	fraDportRange        = 24

	ruleInvert      = 0x2
	ruleUnresolved  = 0x4
	ruleIIFDetached = 0x8
	ruleOIFDetached = 0x10

	ruleHeaderSize = 12
)

// writeRule writes RTM_NEWRULE or RTM_DELRULE.
func (c *call) writeRule(b *wire.Builder, typ, flags uint16, r *route.Rule, v6 bool) {
	c.message(b, typ, flags, ruleHeader(r, v6), func(b *wire.Builder) { writeRuleAttrs(b, r) })
}

// ruleHeader is struct fib_rule_hdr.
func ruleHeader(r *route.Rule, v6 bool) []byte {
	h := []byte{familyOf(v6), 0, 0, r.TOS, shortTable(r.Table), 0, 0, r.Action}
	if r.Dst.IsValid() {
		h[1] = uint8(r.Dst.Bits())
	}
	if r.Src.IsValid() {
		h[2] = uint8(r.Src.Bits())
	}
	f := uint32(0)
	if r.Invert {
		f |= ruleInvert
	}
	if r.IIFName != "" && r.IIF == -1 {
		f |= ruleIIFDetached
	}
	if r.OIFName != "" && r.OIF == -1 {
		f |= ruleOIFDetached
	}
	return binary.NativeEndian.AppendUint32(h, f)
}

func writeRuleAttrs(b *wire.Builder, r *route.Rule) {
	b.U32(fraTable, r.Table)
	b.U32(fraSuppressPrefixLen, uint32(int32(r.Suppress)))
	b.U8(fraProtocol, r.Protocol)
	if r.IIFName != "" {
		b.String(fraIIFName, r.IIFName)
	}
	if r.OIFName != "" {
		b.String(fraOIFName, r.OIFName)
	}
	if r.Priority != 0 {
		b.U32(fraPriority, r.Priority)
	}
	if r.Mark != 0 {
		b.U32(fraMark, r.Mark)
	}
	if r.Mask != 0 || r.Mark != 0 {
		b.U32(fraMask, r.Mask)
	}
	if r.Goto != 0 {
		b.U32(fraGoto, r.Goto)
	}
	if r.HasUIDs {
		ne := binary.NativeEndian
		b.Attr(fraUIDRange, ne.AppendUint32(ne.AppendUint32(nil, r.UIDs.First), r.UIDs.Last))
	}
	if r.IPProto != 0 {
		b.U8(fraIPProto, r.IPProto)
	}
	writePorts(b, fraSportRange, r.SrcPort)
	writePorts(b, fraDportRange, r.DstPort)
	if r.Dst.IsValid() && r.Dst.Bits() > 0 {
		b.Addr(fraDst, r.Dst.Addr())
	}
	if r.Src.IsValid() && r.Src.Bits() > 0 {
		b.Addr(fraSrc, r.Src.Addr())
	}
}

func writePorts(b *wire.Builder, typ uint16, r route.Range) {
	if r != (route.Range{}) {
		ne := binary.NativeEndian
		b.Attr(typ, ne.AppendUint16(ne.AppendUint16(nil, uint16(r.First)), uint16(r.Last)))
	}
}

func (c *call) dumpRules(family uint8) error {
	type item struct {
		r  route.Rule
		v6 bool
	}
	var all []item
	for _, v6 := range families(family) {
		for _, r := range c.stack.RIB(v6).Rules() {
			all = append(all, item{r, v6})
		}
	}
	if families(family) == nil {
		return unix.EAFNOSUPPORT
	}
	return c.Dump(len(all), func(b *wire.Builder, i int) { c.writeRule(b, unix.RTM_NEWRULE, unix.NLM_F_MULTI, &all[i].r, all[i].v6) })
}

func rulePolicy() wire.Policy {
	return wire.Policy{
		fraDst: {Kind: wire.Any, Min: 4, Max: 16}, fraSrc: {Kind: wire.Any, Min: 4, Max: 16},
		fraIIFName: {Kind: wire.String, Max: ifaNameMax}, fraOIFName: {Kind: wire.String, Max: ifaNameMax},
		fraGoto: {Kind: wire.U32}, fraPriority: {Kind: wire.U32}, fraMark: {Kind: wire.U32}, fraMask: {Kind: wire.U32},
		fraTunID: {Kind: wire.U64}, fraSuppressGroup: {Kind: wire.U32}, fraSuppressPrefixLen: {Kind: wire.U32},
		fraTable: {Kind: wire.U32}, fraL3Mdev: {Kind: wire.U8}, fraUIDRange: {Kind: wire.Any, Min: 8}, fraProtocol: {Kind: wire.U8},
		fraIPProto: {Kind: wire.U8}, fraSportRange: {Kind: wire.Any, Min: 4}, fraDportRange: {Kind: wire.Any, Min: 4},
	}
}

// ruleRequest reads RTM_NEWRULE or RTM_DELRULE.
func (c *call) ruleRequest(family uint8) (r route.Rule, a wire.Attrs, v6 bool, err error) {
	v6, ok := isIP(family)
	if !ok {
		return r, a, v6, unix.EAFNOSUPPORT
	}
	if len(c.Body) < ruleHeaderSize {
		return r, a, v6, c.Fail(unix.EINVAL, "Invalid msg length")
	}
	if a, err = c.Attrs(ruleHeaderSize, rulePolicy(), false); err != nil {
		return r, a, v6, err
	}
	h := c.Body
	r = route.Rule{
		Priority: a.U32(fraPriority), Invert: binary.NativeEndian.Uint32(h[8:])&ruleInvert != 0, TOS: h[3],
		Mark: a.U32(fraMark), Mask: a.U32(fraMask), IPProto: a.U8(fraIPProto), Protocol: a.U8(fraProtocol),
		Action: h[7], Table: uint32(h[4]), Goto: a.U32(fraGoto), Suppress: -1,
		IIFName: a.String(fraIIFName), OIFName: a.String(fraOIFName),
	}
	if a.Has(fraTable) {
		r.Table = a.U32(fraTable)
	}
	if a.Has(fraSuppressPrefixLen) {
		r.Suppress = int(int32(a.U32(fraSuppressPrefixLen)))
	}
	if r.Mark != 0 && !a.Has(fraMask) {
		r.Mask = ^uint32(0)
	}
	if a.Has(fraTunID) && a.U64(fraTunID) != 0 || a.Has(fraL3Mdev) && a.U8(fraL3Mdev) != 0 || a.Has(fraSuppressGroup) && a.U32(fraSuppressGroup) != ^uint32(0) {
		return r, a, v6, unix.EOPNOTSUPP
	}
	for _, p := range []struct {
		typ, bits int
		at        *netip.Prefix
	}{{fraDst, int(h[1]), &r.Dst}, {fraSrc, int(h[2]), &r.Src}} {
		if p.bits == 0 {
			continue
		}
		addr := a.Addr(p.typ)
		if !addr.IsValid() || addr.Is4() == v6 || p.bits > addr.BitLen() {
			return r, a, v6, c.Fail(unix.EINVAL, "Invalid address length")
		}
		*p.at = netip.PrefixFrom(addr, p.bits).Masked()
	}
	if v := a.Bytes(fraUIDRange); v != nil {
		r.HasUIDs = true
		r.UIDs = route.Range{First: binary.NativeEndian.Uint32(v), Last: binary.NativeEndian.Uint32(v[4:])}
		if r.UIDs.First > r.UIDs.Last {
			return r, a, v6, c.Fail(unix.EINVAL, "Invalid UID range")
		}
	}
	for typ, at := range map[int]*route.Range{fraSportRange: &r.SrcPort, fraDportRange: &r.DstPort} {
		if v := a.Bytes(typ); v != nil {
			*at = route.Range{First: uint32(binary.NativeEndian.Uint16(v)), Last: uint32(binary.NativeEndian.Uint16(v[2:]))}
			if at.First == 0 || at.First > at.Last {
				return r, a, v6, c.Fail(unix.EINVAL, "Invalid port range")
			}
		}
	}
	r.IIF, r.OIF = c.indexOf(r.IIFName), c.indexOf(r.OIFName)
	return r, a, v6, nil
}

// indexOf is the index of an interface by name: -1 if there is none, 0 of no name.
func (c *call) indexOf(name string) int {
	if name == "" {
		return 0
	}
	if n := c.stack.NICByName(name); n != nil {
		return n.Index()
	}
	return -1
}

func (c *call) newRule(family uint8) error {
	r, a, v6, err := c.ruleRequest(family)
	if err != nil {
		return err
	}
	switch r.Action {
	case route.ActionLookup:
		if r.Table == unix.RT_TABLE_UNSPEC {
			return c.Fail(unix.EINVAL, "Invalid table")
		}
	case route.ActionGoto:
		if r.Goto == 0 || a.Has(fraPriority) && r.Goto <= r.Priority {
			return c.Fail(unix.EINVAL, "Invalid goto target")
		}
	case route.ActionNop, route.ActionBlackhole, route.ActionUnreachable, route.ActionProhibit:
	default:
		return unix.EINVAL
	}
	if r.Protocol == 0 {
		r.Protocol = unix.RTPROT_UNSPEC
	}
	made, err := c.stack.RIB(v6).AddRule(r, a.Has(fraPriority))
	if err != nil {
		return err
	}
	c.told(unix.RTM_NEWRULE, &made, v6)
	return nil
}

func (c *call) delRule(family uint8) error {
	want, a, v6, err := c.ruleRequest(family)
	if err != nil {
		return err
	}
	gone, err := c.stack.RIB(v6).DeleteRule(func(r *route.Rule) bool {
		return !(want.Action != 0 && r.Action != want.Action ||
			want.Table != 0 && r.Table != want.Table ||
			a.Has(fraPriority) && r.Priority != want.Priority ||
			r.Invert != want.Invert ||
			want.TOS != 0 && r.TOS != want.TOS ||
			a.Has(fraMark) && r.Mark != want.Mark || a.Has(fraMask) && r.Mask != want.Mask ||
			want.IIFName != "" && r.IIFName != want.IIFName || want.OIFName != "" && r.OIFName != want.OIFName ||
			want.Dst.IsValid() && r.Dst != want.Dst || want.Src.IsValid() && r.Src != want.Src ||
			want.HasUIDs && r.UIDs != want.UIDs || want.IPProto != 0 && r.IPProto != want.IPProto ||
			want.SrcPort != (route.Range{}) && r.SrcPort != want.SrcPort || want.DstPort != (route.Range{}) && r.DstPort != want.DstPort ||
			want.Goto != 0 && r.Goto != want.Goto || want.Protocol != 0 && r.Protocol != want.Protocol)
	})
	if err != nil {
		return err
	}
	c.told(unix.RTM_DELRULE, &gone, v6)
	return nil
}

// told tells the groups of a rule that was made or removed. The stack does not
// watch rules: they are changed here only.
func (c *call) told(typ uint16, r *route.Rule, v6 bool) {
	group := uint32(unix.RTNLGRP_IPV4_RULE)
	if v6 {
		group = unix.RTNLGRP_IPV6_RULE
	}
	var b wire.Builder
	c.writeRule(&b, typ, 0, r, v6)
	c.Net.Multicast(unix.NETLINK_ROUTE, group, b.Bytes(), nil)
}
