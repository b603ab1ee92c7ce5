package nfnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

// all is a policy of n attributes, all of one kind but for those that differ.
func all(n int, k wire.Kind, but map[int]wire.Rule) wire.Policy {
	p := make(wire.Policy, n+1)
	for i := range p {
		p[i].Kind = k
	}
	for i, r := range but {
		p[i] = r
	}
	return p
}

func nested(at ...int) map[int]wire.Rule {
	m := map[int]wire.Rule{}
	for _, i := range at {
		m[i] = wire.Rule{Kind: wire.Nested}
	}
	return m
}

// register reads where in the registers a value is: NFT_REG_*.
func register(v uint32) (filter.Register, error) {
	switch {
	case v >= unix.NFT_REG_1 && v <= unix.NFT_REG_4:
		return filter.Register((v - unix.NFT_REG_1) * 4), nil
	case v >= unix.NFT_REG32_00 && v <= unix.NFT_REG32_15:
		return filter.Register(v - unix.NFT_REG32_00), nil
	}
	return 0, unix.ERANGE
}

// at reads a register that holds n bytes.
func at(a wire.Attrs, typ, n int) (filter.Register, error) {
	if !a.Has(typ) {
		return 0, unix.EINVAL
	}
	r, err := register(a.U32BE(typ))
	if err != nil {
		return 0, err
	}
	if !r.Fits(n) {
		return 0, unix.ERANGE
	}
	return r, nil
}

// value reads NFTA_DATA_VALUE; n is its length in bytes, or 0 for any.
func (c *call) value(v []byte, n int) ([]byte, error) {
	a, werr := wire.Parse(v, all(unix.NFTA_DATA_VERDICT, wire.Any, nil), false)
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	b := a.Bytes(unix.NFTA_DATA_VALUE)
	if len(b) == 0 || len(b) > maxData || n != 0 && len(b) != n {
		return nil, unix.EINVAL
	}
	return clone(b), nil
}

// verdict reads NFTA_DATA_VERDICT.
func (c *call) verdict(v []byte) (*filter.VerdictData, error) {
	a, werr := wire.Parse(v, all(unix.NFTA_DATA_VERDICT, wire.Any, nested(unix.NFTA_DATA_VERDICT)), false)
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	in, werr := a.Nested(unix.NFTA_DATA_VERDICT, all(3, wire.U32, map[int]wire.Rule{unix.NFTA_VERDICT_CHAIN: name(filter.MaxNameLen)}))
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	if !in.Has(unix.NFTA_VERDICT_CODE) {
		return nil, unix.EINVAL
	}
	d := &filter.VerdictData{Code: filter.Code(in.U32BE(unix.NFTA_VERDICT_CODE)), Chain: in.String(unix.NFTA_VERDICT_CHAIN), ChainID: in.U32BE(3)}
	switch d.Code {
	case filter.CodeAccept, filter.CodeDrop, filter.CodeContinue, filter.CodeBreak, filter.CodeReturn:
		d.Chain, d.ChainID = "", 0
	case filter.CodeJump, filter.CodeGoto:
		if d.Chain == "" && d.ChainID == 0 {
			return nil, unix.EINVAL
		}
	default:
		return nil, unix.EINVAL // queues among them
	}
	return d, nil
}

// expressions reads a list of them. at is where the list is in the message, so that
// one that is wrong can be named; -1 does not name it.
func (c *call) expressions(t *filter.Table, list []byte, at int) ([]filter.Expr, error) {
	var es []filter.Expr
	var failed error
	wire.Each(list, func(typ uint16, off int, v []byte) bool {
		if typ != unix.NFTA_LIST_ELEM || len(es) == filter.MaxExprs {
			failed = unix.EINVAL
			return false
		}
		var e filter.Expr
		if e, failed = c.expression(t, v); failed != nil {
			if at >= 0 {
				c.Offset = at + off
			}
			return false
		}
		es = append(es, e)
		return true
	})
	return es, failed
}

// expression reads one: its name and what belongs to it.
func (c *call) expression(t *filter.Table, v []byte) (filter.Expr, error) {
	a, werr := wire.Parse(v, wire.Policy{unix.NFTA_EXPR_NAME: name(128), unix.NFTA_EXPR_DATA: {Kind: wire.Nested}}, false)
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	if dynset := a.String(unix.NFTA_EXPR_NAME) == "dynset"; dynset {
		return c.decodeDynSet(t, a.Bytes(unix.NFTA_EXPR_DATA))
	}
	return c.decode(0, a.String(unix.NFTA_EXPR_NAME), a.Bytes(unix.NFTA_EXPR_DATA))
}

// decode reads what belongs to an expression. ENOENT if there is none of the name.
func (c *call) decode(_ uint16, kind string, data []byte) (filter.Expr, error) {
	parse := func(p wire.Policy) (wire.Attrs, error) {
		a, werr := wire.Parse(data, p, false)
		if werr != nil {
			return a, c.Refuse(werr, headerSize)
		}
		return a, nil
	}
	var read func(a wire.Attrs) (filter.Expr, error)
	p := all(16, wire.U32, nil)
	switch kind {
	case "cmp":
		p, read = all(3, wire.U32, nested(unix.NFTA_CMP_DATA)), c.decodeCmp
	case "range":
		p, read = all(4, wire.U32, nested(unix.NFTA_RANGE_FROM_DATA, unix.NFTA_RANGE_TO_DATA)), c.decodeRange
	case "bitwise":
		p, read = all(8, wire.U32, nested(unix.NFTA_BITWISE_MASK, unix.NFTA_BITWISE_XOR, bitwiseData)), c.decodeBitwise
	case "byteorder":
		read = c.decodeByteOrder
	case "immediate":
		p, read = all(2, wire.U32, nested(unix.NFTA_IMMEDIATE_DATA)), c.decodeImmediate
	case "payload":
		read = c.decodePayload
	case "meta":
		read = c.decodeMeta
	case "exthdr":
		p, read = all(8, wire.U32, map[int]wire.Rule{unix.NFTA_EXTHDR_TYPE: {Kind: wire.U8}}), c.decodeExtHdr
	case "rt":
		read = c.decodeRoute
	case "fib":
		read = c.decodeFIB
	case "numgen":
		read = c.decodeNumGen
	case "hash":
		read = c.decodeHash
	case "ct":
		p, read = all(4, wire.U32, map[int]wire.Rule{unix.NFTA_CT_DIRECTION: {Kind: wire.U8}}), c.decodeCT
	case "notrack":
		return filter.NoTrack{}, nil
	case "nat":
		read = c.decodeNAT
	case "masq", "redir":
		return c.decodeMasq(kind, data)
	case "dup":
		read = c.decodeDup
	case "fwd":
		read = c.decodeFwd
	case "reject":
		p, read = all(2, wire.U32, map[int]wire.Rule{unix.NFTA_REJECT_ICMP_CODE: {Kind: wire.U8}}), c.decodeReject
	case "counter":
		p, read = all(2, wire.U64, nil), c.decodeCounter
	case "limit":
		p, read = all(5, wire.U32, map[int]wire.Rule{1: {Kind: wire.U64}, 2: {Kind: wire.U64}}), c.decodeLimit
	case "quota":
		p, read = all(4, wire.U64, map[int]wire.Rule{2: {Kind: wire.U32}}), c.decodeQuota
	case "last":
		return &filter.Last{}, nil
	case "connlimit":
		read = c.decodeConnLimit
	case "log":
		p, read = all(6, wire.U32, map[int]wire.Rule{1: {Kind: wire.U16}, 2: name(127), 4: {Kind: wire.U16}}), c.decodeLog
	case "lookup":
		p, read = all(5, wire.U32, map[int]wire.Rule{1: name(filter.MaxNameLen)}), c.decodeLookup
	case "objref":
		p, read = all(5, wire.U32, map[int]wire.Rule{2: name(filter.MaxNameLen), 4: name(filter.MaxNameLen)}), c.decodeObjRef
	case "match", "target":
		p = wire.Policy{1: name(31), 2: {Kind: wire.U32}, 3: {Kind: wire.Any, Max: 4096}}
		read = func(a wire.Attrs) (filter.Expr, error) { return c.decodeCompat(kind, a) }
	default:
		return nil, unix.ENOENT
	}
	a, err := parse(p)
	if err != nil {
		return nil, err
	}
	return read(a)
}

const (
	bitwiseOp    = 6 // NFTA_BITWISE_OP
	bitwiseData  = 7 // NFTA_BITWISE_DATA
	bitwiseSReg2 = 8 // NFTA_BITWISE_SREG2
)

func (c *call) decodeCmp(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Cmp{Op: a.U32BE(unix.NFTA_CMP_OP)}
	var err error
	if e.Data, err = c.value(a.Bytes(unix.NFTA_CMP_DATA), 0); err != nil {
		return nil, err
	}
	if e.Op > filter.CmpGTE {
		return nil, unix.EINVAL
	}
	e.SReg, err = at(a, unix.NFTA_CMP_SREG, len(e.Data))
	return e, err
}

func (c *call) decodeRange(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Range{Op: a.U32BE(unix.NFTA_RANGE_OP)}
	var err error
	if e.From, err = c.value(a.Bytes(unix.NFTA_RANGE_FROM_DATA), 0); err != nil {
		return nil, err
	}
	if e.To, err = c.value(a.Bytes(unix.NFTA_RANGE_TO_DATA), len(e.From)); err != nil {
		return nil, err
	}
	if e.Op > filter.CmpNEQ {
		return nil, unix.EINVAL
	}
	e.SReg, err = at(a, unix.NFTA_RANGE_SREG, len(e.From))
	return e, err
}

// length reads a length in bytes of registers.
func length(a wire.Attrs, typ int) (int, error) {
	n := a.U32BE(typ)
	if n == 0 || n > filter.RegisterBytes {
		return 0, unix.EINVAL
	}
	return int(n), nil
}

func (c *call) decodeBitwise(a wire.Attrs) (filter.Expr, error) {
	n, err := length(a, unix.NFTA_BITWISE_LEN)
	if err != nil {
		return nil, err
	}
	e := &filter.Bitwise{Op: a.U32BE(bitwiseOp), Len: n}
	if e.SReg, err = at(a, unix.NFTA_BITWISE_SREG, n); err != nil {
		return nil, err
	}
	if e.DReg, err = at(a, unix.NFTA_BITWISE_DREG, n); err != nil {
		return nil, err
	}
	switch e.Op {
	case filter.BitwiseMaskXor:
		if e.Mask, err = c.value(a.Bytes(unix.NFTA_BITWISE_MASK), n); err != nil {
			return nil, err
		}
		e.Xor, err = c.value(a.Bytes(unix.NFTA_BITWISE_XOR), n)
	case filter.BitwiseLeft, filter.BitwiseRight:
		if n%4 != 0 {
			return nil, unix.EINVAL
		}
		e.Data, err = c.value(a.Bytes(bitwiseData), 4)
	case filter.BitwiseAnd, filter.BitwiseOr, filter.BitwiseXor:
		if e.HasSReg2 = a.Has(bitwiseSReg2); e.HasSReg2 {
			e.SReg2, err = at(a, bitwiseSReg2, n)
		} else {
			e.Data, err = c.value(a.Bytes(bitwiseData), n)
		}
	default:
		err = unix.EOPNOTSUPP
	}
	return e, err
}

func (c *call) decodeByteOrder(a wire.Attrs) (filter.Expr, error) {
	n, err := length(a, unix.NFTA_BYTEORDER_LEN)
	if err != nil {
		return nil, err
	}
	e := &filter.ByteOrder{Op: a.U32BE(unix.NFTA_BYTEORDER_OP), Len: n, Size: int(a.U32BE(unix.NFTA_BYTEORDER_SIZE))}
	if e.Size != 2 && e.Size != 4 && e.Size != 8 || e.Op > 1 {
		return nil, unix.EINVAL
	}
	if e.SReg, err = at(a, unix.NFTA_BYTEORDER_SREG, n); err != nil {
		return nil, err
	}
	e.DReg, err = at(a, unix.NFTA_BYTEORDER_DREG, n)
	return e, err
}

func (c *call) decodeImmediate(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Immediate{}
	var err error
	if !a.Has(unix.NFTA_IMMEDIATE_DREG) || !a.Has(unix.NFTA_IMMEDIATE_DATA) {
		return nil, unix.EINVAL
	}
	if a.U32BE(unix.NFTA_IMMEDIATE_DREG) == unix.NFT_REG_VERDICT {
		e.Verdict, err = c.verdict(a.Bytes(unix.NFTA_IMMEDIATE_DATA))
		return e, err
	}
	if e.Data, err = c.value(a.Bytes(unix.NFTA_IMMEDIATE_DATA), 0); err != nil {
		return nil, err
	}
	e.DReg, err = at(a, unix.NFTA_IMMEDIATE_DREG, len(e.Data))
	return e, err
}

func (c *call) decodePayload(a wire.Attrs) (filter.Expr, error) {
	n, err := length(a, unix.NFTA_PAYLOAD_LEN)
	if err != nil {
		return nil, err
	}
	e := &filter.Payload{
		Base: a.U32BE(unix.NFTA_PAYLOAD_BASE), Offset: a.U32BE(unix.NFTA_PAYLOAD_OFFSET), Len: uint32(n), Store: a.Has(unix.NFTA_PAYLOAD_SREG),
		CsumType: a.U32BE(unix.NFTA_PAYLOAD_CSUM_TYPE), CsumOffset: a.U32BE(unix.NFTA_PAYLOAD_CSUM_OFFSET), CsumFlags: a.U32BE(unix.NFTA_PAYLOAD_CSUM_FLAGS),
	}
	if e.Base > filter.PayloadInner || e.Offset > 255 || e.CsumOffset > 255 || e.CsumType > 2 || e.CsumFlags&^1 != 0 {
		return nil, unix.EOPNOTSUPP
	}
	if e.Store {
		if e.Base == filter.PayloadLink {
			return nil, unix.EOPNOTSUPP // frames are not written
		}
		e.Reg, err = at(a, unix.NFTA_PAYLOAD_SREG, n)
		return e, err
	}
	e.Reg, err = at(a, unix.NFTA_PAYLOAD_DREG, n)
	return e, err
}

func (c *call) decodeMeta(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Meta{Key: a.U32BE(unix.NFTA_META_KEY), Set: a.Has(unix.NFTA_META_SREG)}
	n := filter.MetaLength(e.Key)
	var err error
	if e.Set {
		switch e.Key {
		case filter.MetaMark, filter.MetaPriority, filter.MetaTrace, filter.MetaPktType:
		default:
			return nil, unix.EOPNOTSUPP
		}
		e.Reg, err = at(a, unix.NFTA_META_SREG, n)
		return e, err
	}
	if n == 0 {
		return nil, unix.EOPNOTSUPP
	}
	e.Reg, err = at(a, unix.NFTA_META_DREG, n)
	return e, err
}

func (c *call) decodeExtHdr(a wire.Attrs) (filter.Expr, error) {
	n, err := length(a, unix.NFTA_EXTHDR_LEN)
	if err != nil {
		return nil, err
	}
	e := &filter.ExtHdr{
		Op: a.U32BE(unix.NFTA_EXTHDR_OP), Type: a.U8(unix.NFTA_EXTHDR_TYPE), Offset: a.U32BE(unix.NFTA_EXTHDR_OFFSET), Len: uint32(n),
		Flags: a.U32BE(unix.NFTA_EXTHDR_FLAGS), Store: a.Has(unix.NFTA_EXTHDR_SREG),
	}
	switch {
	case e.Op > filter.ExtHdrIPv4, e.Store && e.Op != filter.ExtHdrTCP:
		return nil, unix.EOPNOTSUPP
	case e.Offset > 255, e.Flags&^filter.ExtHdrPresent != 0, e.Store && (n != 2 && n != 4):
		return nil, unix.EINVAL
	case e.Store:
		e.Reg, err = at(a, unix.NFTA_EXTHDR_SREG, n)
	default:
		e.Reg, err = at(a, unix.NFTA_EXTHDR_DREG, n)
	}
	return e, err
}

func (c *call) decodeRoute(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Route{Key: a.U32BE(unix.NFTA_RT_KEY)}
	n := map[uint32]int{filter.RouteClass: 4, filter.RouteNextHop4: 4, filter.RouteNextHop6: 16, filter.RouteMSS: 2, filter.RouteIPsec: 1}[e.Key]
	if n == 0 {
		return nil, unix.EOPNOTSUPP
	}
	var err error
	e.DReg, err = at(a, unix.NFTA_RT_DREG, n)
	return e, err
}

func (c *call) decodeFIB(a wire.Attrs) (filter.Expr, error) {
	e := &filter.FIB{Result: a.U32BE(unix.NFTA_FIB_RESULT), Flags: a.U32BE(unix.NFTA_FIB_FLAGS)}
	n := map[uint32]int{filter.FIBResultOIF: 4, filter.FIBResultOIFName: 16, filter.FIBResultType: 4}[e.Result]
	const known = filter.FIBFlagSrc | filter.FIBFlagDst | filter.FIBFlagMark | filter.FIBFlagIIF | filter.FIBFlagOIF | filter.FIBFlagPresent
	if n == 0 || e.Flags&^known != 0 || e.Flags&(filter.FIBFlagSrc|filter.FIBFlagDst) == 0 {
		return nil, unix.EINVAL
	}
	var err error
	e.DReg, err = at(a, unix.NFTA_FIB_DREG, n)
	return e, err
}

func (c *call) decodeNumGen(a wire.Attrs) (filter.Expr, error) {
	e := &filter.NumGen{Type: a.U32BE(unix.NFTA_NG_TYPE), Modulus: a.U32BE(unix.NFTA_NG_MODULUS), Offset: a.U32BE(unix.NFTA_NG_OFFSET)}
	if e.Modulus == 0 {
		return nil, unix.ERANGE
	}
	if e.Offset+e.Modulus-1 < e.Offset {
		return nil, unix.EOVERFLOW
	}
	if e.Type > 1 {
		return nil, unix.EINVAL
	}
	var err error
	e.DReg, err = at(a, unix.NFTA_NG_DREG, 4)
	return e, err
}

func (c *call) decodeHash(a wire.Attrs) (filter.Expr, error) {
	e := &filter.Hash{
		Type: a.U32BE(unix.NFTA_HASH_TYPE), Modulus: a.U32BE(unix.NFTA_HASH_MODULUS), Offset: a.U32BE(unix.NFTA_HASH_OFFSET),
		Seed: a.U32BE(unix.NFTA_HASH_SEED), HasSeed: a.Has(unix.NFTA_HASH_SEED),
	}
	if e.Modulus == 0 || e.Type > 1 {
		return nil, unix.ERANGE
	}
	var err error
	if e.Type == 0 {
		if e.Len, err = length(a, unix.NFTA_HASH_LEN); err != nil {
			return nil, err
		}
		if e.SReg, err = at(a, unix.NFTA_HASH_SREG, e.Len); err != nil {
			return nil, err
		}
	}
	e.DReg, err = at(a, unix.NFTA_HASH_DREG, 4)
	return e, err
}
