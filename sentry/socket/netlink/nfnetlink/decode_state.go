package nfnetlink

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

func (c *call) decodeCT(a wire.Attrs) (filter.Expr, error) {
	e := &filter.CT{
		Key: a.U32BE(unix.NFTA_CT_KEY), Set: a.Has(unix.NFTA_CT_SREG), Dir: a.U8(unix.NFTA_CT_DIRECTION), HasDir: a.Has(unix.NFTA_CT_DIRECTION),
	}
	n := filter.CTLength(e.Key, c.family)
	if n == 0 || e.Dir > 1 {
		return nil, unix.EOPNOTSUPP
	}
	var err error
	if e.Set {
		if e.Key != filter.CTMark && e.Key != filter.CTZone {
			return nil, unix.EOPNOTSUPP
		}
		e.Reg, err = at(a, unix.NFTA_CT_SREG, n)
		return e, err
	}
	switch e.Key {
	case filter.CTSrc, filter.CTDst, filter.CTProtoSrc, filter.CTProtoDst, filter.CTSrcIP, filter.CTDstIP, filter.CTSrcIP6, filter.CTDstIP6:
		if !e.HasDir {
			return nil, unix.EINVAL
		}
	}
	e.Reg, err = at(a, unix.NFTA_CT_DREG, n)
	return e, err
}

// rangeRegs reads the two registers of a range, the second of which may be missing.
func rangeRegs(a wire.Attrs, lo, hi, n int) (min, max filter.Register, has, hasMax bool, err error) {
	if !a.Has(lo) {
		if a.Has(hi) {
			err = unix.EINVAL
		}
		return 0, 0, false, false, err
	}
	if min, err = at(a, lo, n); err != nil {
		return
	}
	max, has, hasMax = min, true, a.Has(hi)
	if hasMax {
		max, err = at(a, hi, n)
	}
	return
}

func (c *call) decodeNAT(a wire.Attrs) (filter.Expr, error) {
	e := &filter.NAT{Family: filter.Family(a.U32BE(unix.NFTA_NAT_FAMILY)), Flags: a.U32BE(unix.NFTA_NAT_FLAGS)}
	switch a.U32BE(unix.NFTA_NAT_TYPE) {
	case unix.NFT_NAT_SNAT:
		e.Src = true
	case unix.NFT_NAT_DNAT:
	default:
		return nil, unix.EINVAL
	}
	n := map[filter.Family]int{filter.IPv4: 4, filter.IPv6: 16}[e.Family]
	if n == 0 && a.Has(unix.NFTA_NAT_REG_ADDR_MIN) {
		return nil, unix.EAFNOSUPPORT
	}
	if c.family != filter.INet && c.family != e.Family {
		return nil, unix.EOPNOTSUPP
	}
	if e.Flags&^0x3f != 0 {
		return nil, unix.EOPNOTSUPP
	}
	var err error
	if e.AddrMin, e.AddrMax, e.HasAddr, e.HasMaxAddr, err = rangeRegs(a, unix.NFTA_NAT_REG_ADDR_MIN, unix.NFTA_NAT_REG_ADDR_MAX, n); err != nil {
		return nil, err
	}
	e.PortMin, e.PortMax, e.HasPort, e.HasMaxPt, err = rangeRegs(a, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX, 2)
	return e, err
}

func (c *call) decodeMasq(kind string, data []byte) (filter.Expr, error) {
	a, werr := wire.Parse(data, all(3, wire.U32, nil), false)
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	// The two have their attributes in another order.
	flags, lo, hi := unix.NFTA_MASQ_FLAGS, unix.NFTA_MASQ_REG_PROTO_MIN, unix.NFTA_MASQ_REG_PROTO_MAX
	if kind == "redir" {
		flags, lo, hi = unix.NFTA_REDIR_FLAGS, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX
	}
	f := a.U32BE(flags)
	if f&^0x3f != 0 {
		return nil, unix.EINVAL
	}
	from, to, has, hasMax, err := rangeRegs(a, lo, hi, 2)
	if kind == "redir" {
		return &filter.Redirect{Flags: f, PortMin: from, PortMax: to, HasPort: has, HasMax: hasMax}, err
	}
	return &filter.Masquerade{Flags: f, PortMin: from, PortMax: to, HasPort: has, HasMax: hasMax}, err
}

// The attributes of dup and fwd, linux/netfilter/nf_tables.h.
const (
	dupAddr   = 1 // NFTA_DUP_SREG_ADDR
	dupDev    = 2
	fwdDev    = 1 // NFTA_FWD_SREG_DEV
	fwdAddr   = 2
	fwdFamily = 3 // NFTA_FWD_NFPROTO
)

func (c *call) decodeDup(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Dup{HasAddr: a.Has(dupAddr), HasDev: a.Has(dupDev)}
	var err error
	if e.HasAddr {
		if e.Addr, err = at(a, dupAddr, addrSize(c.family)); err != nil {
			return nil, err
		}
	}
	if e.HasDev {
		e.Dev, err = at(a, dupDev, 4)
	}
	return e, err
}

// addrSize is the size of an address of a family in bytes.
func addrSize(f filter.Family) int {
	if f == filter.IPv6 {
		return 16
	}
	return 4
}

func (c *call) decodeFwd(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Fwd{HasAddr: a.Has(fwdAddr), Family: filter.Family(a.U32BE(fwdFamily))}
	var err error
	if e.Dev, err = at(a, fwdDev, 4); err != nil || !e.HasAddr {
		return e, err
	}
	n := map[filter.Family]int{filter.IPv4: 4, filter.IPv6: 16}[e.Family]
	if n == 0 {
		return nil, unix.EOPNOTSUPP
	}
	e.Addr, err = at(a, fwdAddr, n)
	return e, err
}

func (c *call) decodeReject(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Reject{Type: a.U32BE(unix.NFTA_REJECT_TYPE), Code: a.U8(unix.NFTA_REJECT_ICMP_CODE)}
	switch e.Type {
	case filter.RejectReset:
	case filter.RejectICMP:
		if c.family == filter.INet {
			return nil, unix.EINVAL
		}
		fallthrough
	case filter.RejectICMPX:
		if !a.Has(unix.NFTA_REJECT_ICMP_CODE) {
			return nil, unix.EINVAL
		}
	default:
		return nil, unix.EINVAL
	}
	return e, nil
}

func (c *call) decodeCounter(a wire.Attrs) (filter.Expr, error) {
	return filter.NewCounter(a.U64BE(unix.NFTA_COUNTER_PACKETS), a.U64BE(unix.NFTA_COUNTER_BYTES)), nil
}

func (c *call) decodeLimit(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Limit{
		Rate: a.U64BE(unix.NFTA_LIMIT_RATE), Unit: a.U64BE(unix.NFTA_LIMIT_UNIT), Burst: a.U32BE(unix.NFTA_LIMIT_BURST),
		Bytes: a.U32BE(unix.NFTA_LIMIT_TYPE) == unix.NFT_LIMIT_PKT_BYTES, Invert: a.U32BE(unix.NFTA_LIMIT_FLAGS)&unix.NFT_LIMIT_F_INV != 0,
	}
	if e.Rate == 0 || e.Unit == 0 || a.U32BE(unix.NFTA_LIMIT_TYPE) > unix.NFT_LIMIT_PKT_BYTES {
		return nil, unix.EINVAL
	}
	if e.Unit > 1<<32 || e.Rate+uint64(e.Burst) < e.Rate {
		return nil, unix.EOVERFLOW
	}
	return e, nil
}

func (c *call) decodeQuota(a wire.Attrs) (filter.Expr, error) {
	flags := a.U32BE(unix.NFTA_QUOTA_FLAGS)
	if !a.Has(unix.NFTA_QUOTA_BYTES) || a.U64BE(unix.NFTA_QUOTA_BYTES) > 1<<63-1 {
		return nil, unix.EINVAL
	}
	if flags&^1 != 0 {
		return nil, unix.EOPNOTSUPP
	}
	return filter.NewQuota(a.U64BE(unix.NFTA_QUOTA_BYTES), flags&1 != 0, a.U64BE(unix.NFTA_QUOTA_CONSUMED)), nil
}

func (c *call) decodeConnLimit(a wire.Attrs) (filter.Expr, error) {
	if !a.Has(1) || a.U32BE(2)&^1 != 0 {
		return nil, unix.EINVAL
	}
	return &filter.ConnLimit{Count: a.U32BE(1), Invert: a.U32BE(2)&1 != 0}, nil
}

func (c *call) decodeLog(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Log{
		Prefix: a.String(unix.NFTA_LOG_PREFIX), Level: 4, Flags: a.U32BE(unix.NFTA_LOG_FLAGS), Group: a.U16BE(unix.NFTA_LOG_GROUP),
		HasGroup: a.Has(unix.NFTA_LOG_GROUP), SnapLen: a.U32BE(unix.NFTA_LOG_SNAPLEN), HasSnapLen: a.Has(unix.NFTA_LOG_SNAPLEN),
		QThreshold: a.U16BE(unix.NFTA_LOG_QTHRESHOLD), HasQ: a.Has(unix.NFTA_LOG_QTHRESHOLD), HasLevel: a.Has(unix.NFTA_LOG_LEVEL),
		HasFlags: a.Has(unix.NFTA_LOG_FLAGS),
	}
	if e.HasLevel {
		e.Level = a.U32BE(unix.NFTA_LOG_LEVEL)
	}
	if e.HasLevel && e.HasGroup || e.Level > 8 {
		return nil, unix.EINVAL
	}
	return e, nil
}

func (c *call) decodeLookup(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Lookup{
		Set: a.String(unix.NFTA_LOOKUP_SET), SetID: a.U32BE(unix.NFTA_LOOKUP_SET_ID), HasDReg: a.Has(unix.NFTA_LOOKUP_DREG),
		Invert: a.U32BE(unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0,
	}
	var err error
	if e.SReg, err = at(a, unix.NFTA_LOOKUP_SREG, 1); err != nil {
		return nil, err
	}
	if e.HasDReg && a.U32BE(unix.NFTA_LOOKUP_DREG) != unix.NFT_REG_VERDICT {
		e.DReg, err = at(a, unix.NFTA_LOOKUP_DREG, 1)
	}
	return e, err
}

func (c *call) decodeObjRef(a wire.Attrs) (filter.Expr, error) {
	e := &filter.ObjRef{
		Name: a.String(unix.NFTA_OBJREF_IMM_NAME), Type: a.U32BE(unix.NFTA_OBJREF_IMM_TYPE), Set: a.String(unix.NFTA_OBJREF_SET_NAME),
		SetID: a.U32BE(unix.NFTA_OBJREF_SET_ID),
	}
	if !a.Has(unix.NFTA_OBJREF_SET_SREG) {
		if e.Name == "" {
			return nil, unix.EOPNOTSUPP
		}
		e.Set, e.SetID = "", 0
		return e, nil
	}
	var err error
	e.SReg, err = at(a, unix.NFTA_OBJREF_SET_SREG, 1)
	return e, err
}

func (c *call) decodeCompat(kind string, a wire.Attrs) (filter.Expr, error) {
	n, rev, info := a.String(1), a.U32BE(2), clone(a.Bytes(3))
	if !a.Has(1) || !a.Has(2) || !a.Has(3) {
		return nil, unix.EINVAL
	}
	if kind == "match" {
		return filter.NewMatch(c.family, n, rev, info)
	}
	return filter.NewTarget(c.family, n, rev, info)
}

const dynSetExprs = 10 // NFTA_DYNSET_EXPRESSIONS

func (c *call) decodeDynSet(t *filter.Table, data []byte) (filter.Expr, error) {
	a, werr := wire.Parse(data, all(10, wire.U32, map[int]wire.Rule{
		unix.NFTA_DYNSET_SET_NAME: name(filter.MaxNameLen), unix.NFTA_DYNSET_TIMEOUT: {Kind: wire.U64}, unix.NFTA_DYNSET_EXPR: {Kind: wire.Nested},
		unix.NFTA_DYNSET_PAD: {}, dynSetExprs: {Kind: wire.Nested},
	}), false)
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	e := &filter.DynSet{
		Set: a.String(unix.NFTA_DYNSET_SET_NAME), SetID: a.U32BE(unix.NFTA_DYNSET_SET_ID), Op: a.U32BE(unix.NFTA_DYNSET_OP),
		HasData: a.Has(unix.NFTA_DYNSET_SREG_DATA), HasTimeout: a.Has(unix.NFTA_DYNSET_TIMEOUT),
		Invert: a.U32BE(unix.NFTA_DYNSET_FLAGS)&1 != 0,
	}
	if e.Op > filter.DynSetDelete {
		return nil, unix.EOPNOTSUPP
	}
	ms := a.U64BE(unix.NFTA_DYNSET_TIMEOUT)
	if ms > maxTimeout {
		return nil, unix.ERANGE
	}
	e.Timeout = time.Duration(ms) * time.Millisecond
	var err error
	if e.SRegKey, err = at(a, unix.NFTA_DYNSET_SREG_KEY, 1); err != nil {
		return nil, err
	}
	if e.HasData {
		if e.SRegData, err = at(a, unix.NFTA_DYNSET_SREG_DATA, 1); err != nil {
			return nil, err
		}
	}
	e.Exprs, err = c.states(t, a, unix.NFTA_DYNSET_EXPR, dynSetExprs)
	return e, err
}
