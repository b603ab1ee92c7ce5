package nfnetlink

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

// reg writes a register as Linux does: those at the beginning of a large one by its
// number.
func reg(b *wire.Builder, typ uint16, r filter.Register) {
	if r%4 == 0 {
		b.U32BE(typ, unix.NFT_REG_1+uint32(r)/4)
		return
	}
	b.U32BE(typ, unix.NFT_REG32_00+uint32(r))
}

func writeValue(b *wire.Builder, typ uint16, v []byte) {
	n := b.Nest(typ)
	b.Attr(unix.NFTA_DATA_VALUE, v)
	b.Close(n)
}

func writeVerdict(b *wire.Builder, typ uint16, v *filter.VerdictData) {
	n := b.Nest(typ)
	in := b.Nest(unix.NFTA_DATA_VERDICT)
	b.U32BE(unix.NFTA_VERDICT_CODE, uint32(v.Code))
	if v.Chain != "" {
		b.String(unix.NFTA_VERDICT_CHAIN, v.Chain)
	}
	b.Close(in)
	b.Close(n)
}

// exprName is an expression's name.
func exprName(e filter.Expr) string {
	switch e.(type) {
	case *filter.Cmp:
		return "cmp"
	case *filter.Range:
		return "range"
	case *filter.Bitwise:
		return "bitwise"
	case *filter.ByteOrder:
		return "byteorder"
	case *filter.Immediate:
		return "immediate"
	case *filter.Payload:
		return "payload"
	case *filter.Meta:
		return "meta"
	case *filter.ExtHdr:
		return "exthdr"
	case *filter.Route:
		return "rt"
	case *filter.FIB:
		return "fib"
	case *filter.NumGen:
		return "numgen"
	case *filter.Hash:
		return "hash"
	case *filter.CT:
		return "ct"
	case filter.NoTrack:
		return "notrack"
	case *filter.NAT:
		return "nat"
	case *filter.Masquerade:
		return "masq"
	case *filter.Redirect:
		return "redir"
	case *filter.Reject:
		return "reject"
	case *filter.Dup:
		return "dup"
	case *filter.Fwd:
		return "fwd"
	case *filter.Counter:
		return "counter"
	case *filter.Limit:
		return "limit"
	case *filter.Quota:
		return "quota"
	case *filter.Last:
		return "last"
	case *filter.ConnLimit:
		return "connlimit"
	case *filter.Log:
		return "log"
	case *filter.Lookup:
		return "lookup"
	case *filter.DynSet:
		return "dynset"
	case *filter.ObjRef:
		return "objref"
	case *filter.Match:
		return "match"
	case *filter.Target:
		return "target"
	}
	return ""
}

// encode writes an expression: its name and what belongs to it. reset sets to zero
// what it counted.
func (c *call) encode(b *wire.Builder, e filter.Expr, reset bool) {
	b.String(unix.NFTA_EXPR_NAME, exprName(e))
	n := b.Nest(unix.NFTA_EXPR_DATA)
	c.encodeData(b, e, reset)
	b.Close(n)
}

// encodeData writes what belongs to it.
func (c *call) encodeData(b *wire.Builder, e filter.Expr, reset bool) {
	switch e := e.(type) {
	case *filter.Cmp:
		reg(b, unix.NFTA_CMP_SREG, e.SReg)
		b.U32BE(unix.NFTA_CMP_OP, e.Op)
		writeValue(b, unix.NFTA_CMP_DATA, e.Data)
	case *filter.Range:
		reg(b, unix.NFTA_RANGE_SREG, e.SReg)
		b.U32BE(unix.NFTA_RANGE_OP, e.Op)
		writeValue(b, unix.NFTA_RANGE_FROM_DATA, e.From)
		writeValue(b, unix.NFTA_RANGE_TO_DATA, e.To)
	case *filter.Bitwise:
		encodeBitwise(b, e)
	case *filter.ByteOrder:
		reg(b, unix.NFTA_BYTEORDER_SREG, e.SReg)
		reg(b, unix.NFTA_BYTEORDER_DREG, e.DReg)
		b.U32BE(unix.NFTA_BYTEORDER_OP, e.Op)
		b.U32BE(unix.NFTA_BYTEORDER_LEN, uint32(e.Len))
		b.U32BE(unix.NFTA_BYTEORDER_SIZE, uint32(e.Size))
	case *filter.Immediate:
		if e.Verdict != nil {
			b.U32BE(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
			writeVerdict(b, unix.NFTA_IMMEDIATE_DATA, e.Verdict)
			return
		}
		reg(b, unix.NFTA_IMMEDIATE_DREG, e.DReg)
		writeValue(b, unix.NFTA_IMMEDIATE_DATA, e.Data)
	case *filter.Payload:
		encodePayload(b, e)
	case *filter.Meta:
		b.U32BE(unix.NFTA_META_KEY, e.Key)
		reg(b, pick(e.Set, unix.NFTA_META_SREG, unix.NFTA_META_DREG), e.Reg)
	case *filter.ExtHdr:
		reg(b, pick(e.Store, unix.NFTA_EXTHDR_SREG, unix.NFTA_EXTHDR_DREG), e.Reg)
		b.U8(unix.NFTA_EXTHDR_TYPE, e.Type)
		b.U32BE(unix.NFTA_EXTHDR_OFFSET, e.Offset)
		b.U32BE(unix.NFTA_EXTHDR_LEN, e.Len)
		b.U32BE(unix.NFTA_EXTHDR_FLAGS, e.Flags)
		b.U32BE(unix.NFTA_EXTHDR_OP, e.Op)
	case *filter.Route:
		b.U32BE(unix.NFTA_RT_KEY, e.Key)
		reg(b, unix.NFTA_RT_DREG, e.DReg)
	case *filter.FIB:
		reg(b, unix.NFTA_FIB_DREG, e.DReg)
		b.U32BE(unix.NFTA_FIB_RESULT, e.Result)
		b.U32BE(unix.NFTA_FIB_FLAGS, e.Flags)
	case *filter.NumGen:
		reg(b, unix.NFTA_NG_DREG, e.DReg)
		b.U32BE(unix.NFTA_NG_MODULUS, e.Modulus)
		b.U32BE(unix.NFTA_NG_TYPE, e.Type)
		b.U32BE(unix.NFTA_NG_OFFSET, e.Offset)
	case *filter.Hash:
		encodeHash(b, e)
	case *filter.Dup:
		if e.HasAddr {
			reg(b, dupAddr, e.Addr)
		}
		if e.HasDev {
			reg(b, dupDev, e.Dev)
		}
	case *filter.Fwd:
		reg(b, fwdDev, e.Dev)
		if e.HasAddr {
			reg(b, fwdAddr, e.Addr)
			b.U32BE(fwdFamily, uint32(e.Family))
		}
	case *filter.Lookup:
		b.String(unix.NFTA_LOOKUP_SET, e.Set)
		reg(b, unix.NFTA_LOOKUP_SREG, e.SReg)
		if e.HasDReg {
			c.encodeLookupTo(b, e)
		}
		b.U32BE(unix.NFTA_LOOKUP_FLAGS, flag(e.Invert, unix.NFT_LOOKUP_F_INV))
	case *filter.DynSet:
		c.encodeDynSet(b, e)
	case *filter.ObjRef:
		if e.Set == "" {
			b.U32BE(unix.NFTA_OBJREF_IMM_TYPE, e.Type)
			b.String(unix.NFTA_OBJREF_IMM_NAME, e.Name)
			return
		}
		reg(b, unix.NFTA_OBJREF_SET_SREG, e.SReg)
		b.String(unix.NFTA_OBJREF_SET_NAME, e.Set)
	case *filter.Match:
		b.String(unix.NFTA_MATCH_NAME, e.Name)
		b.U32BE(unix.NFTA_MATCH_REV, e.Rev)
		b.Attr(unix.NFTA_MATCH_INFO, e.Info)
	case *filter.Target:
		b.String(unix.NFTA_TARGET_NAME, e.Name)
		b.U32BE(unix.NFTA_TARGET_REV, e.Rev)
		b.Attr(unix.NFTA_TARGET_INFO, e.Info)
	default:
		c.encodeState(b, e, reset)
	}
}

// encodeLookupTo writes where the data of a map goes: of a map to verdicts nowhere.
func (c *call) encodeLookupTo(b *wire.Builder, e *filter.Lookup) {
	if e.ToVerdict {
		b.U32BE(unix.NFTA_LOOKUP_DREG, unix.NFT_REG_VERDICT)
		return
	}
	reg(b, unix.NFTA_LOOKUP_DREG, e.DReg)
}

func pick(first bool, a, b uint16) uint16 {
	if first {
		return a
	}
	return b
}

func flag(on bool, bit uint32) uint32 {
	if on {
		return bit
	}
	return 0
}

func encodeBitwise(b *wire.Builder, e *filter.Bitwise) {
	reg(b, unix.NFTA_BITWISE_SREG, e.SReg)
	reg(b, unix.NFTA_BITWISE_DREG, e.DReg)
	b.U32BE(unix.NFTA_BITWISE_LEN, uint32(e.Len))
	b.U32BE(bitwiseOp, e.Op)
	switch {
	case e.Op == filter.BitwiseMaskXor:
		writeValue(b, unix.NFTA_BITWISE_MASK, e.Mask)
		writeValue(b, unix.NFTA_BITWISE_XOR, e.Xor)
	case e.HasSReg2:
		reg(b, bitwiseSReg2, e.SReg2)
	default:
		writeValue(b, bitwiseData, e.Data)
	}
}

func encodePayload(b *wire.Builder, e *filter.Payload) {
	reg(b, pick(e.Store, unix.NFTA_PAYLOAD_SREG, unix.NFTA_PAYLOAD_DREG), e.Reg)
	b.U32BE(unix.NFTA_PAYLOAD_BASE, e.Base)
	b.U32BE(unix.NFTA_PAYLOAD_OFFSET, e.Offset)
	b.U32BE(unix.NFTA_PAYLOAD_LEN, e.Len)
	if e.Store {
		b.U32BE(unix.NFTA_PAYLOAD_CSUM_TYPE, e.CsumType)
		b.U32BE(unix.NFTA_PAYLOAD_CSUM_OFFSET, e.CsumOffset)
		b.U32BE(unix.NFTA_PAYLOAD_CSUM_FLAGS, e.CsumFlags)
	}
}

func encodeHash(b *wire.Builder, e *filter.Hash) {
	if e.Type == 0 {
		reg(b, unix.NFTA_HASH_SREG, e.SReg)
		b.U32BE(unix.NFTA_HASH_LEN, uint32(e.Len))
	}
	reg(b, unix.NFTA_HASH_DREG, e.DReg)
	b.U32BE(unix.NFTA_HASH_MODULUS, e.Modulus)
	if e.HasSeed {
		b.U32BE(unix.NFTA_HASH_SEED, e.Seed)
	}
	if e.Offset != 0 {
		b.U32BE(unix.NFTA_HASH_OFFSET, e.Offset)
	}
	b.U32BE(unix.NFTA_HASH_TYPE, e.Type)
}

// encodeState is encodeData for what belongs to connections, and what counts.
func (c *call) encodeState(b *wire.Builder, e filter.Expr, reset bool) {
	switch e := e.(type) {
	case *filter.CT:
		b.U32BE(unix.NFTA_CT_KEY, e.Key)
		reg(b, pick(e.Set, unix.NFTA_CT_SREG, unix.NFTA_CT_DREG), e.Reg)
		if e.HasDir {
			b.U8(unix.NFTA_CT_DIRECTION, e.Dir)
		}
	case *filter.NAT:
		encodeNAT(b, e)
	case *filter.Masquerade:
		if e.Flags != 0 {
			b.U32BE(unix.NFTA_MASQ_FLAGS, e.Flags)
		}
		ports(b, unix.NFTA_MASQ_REG_PROTO_MIN, unix.NFTA_MASQ_REG_PROTO_MAX, e.PortMin, e.PortMax, e.HasPort)
	case *filter.Redirect:
		ports(b, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX, e.PortMin, e.PortMax, e.HasPort)
		if e.Flags != 0 {
			b.U32BE(unix.NFTA_REDIR_FLAGS, e.Flags)
		}
	case *filter.Reject:
		b.U32BE(unix.NFTA_REJECT_TYPE, e.Type)
		if e.Type != filter.RejectReset {
			b.U8(unix.NFTA_REJECT_ICMP_CODE, e.Code)
		}
	case *filter.Counter:
		writeCounter(b, e, reset)
	case *filter.Limit:
		b.U64BE(unix.NFTA_LIMIT_RATE, e.Rate)
		b.U64BE(unix.NFTA_LIMIT_UNIT, e.Unit)
		b.U32BE(unix.NFTA_LIMIT_BURST, limitBurst(e))
		b.U32BE(unix.NFTA_LIMIT_TYPE, flag(e.Bytes, unix.NFT_LIMIT_PKT_BYTES))
		b.U32BE(unix.NFTA_LIMIT_FLAGS, flag(e.Invert, unix.NFT_LIMIT_F_INV))
	case *filter.Quota:
		used := e.Consumed(reset)
		b.U64BE(unix.NFTA_QUOTA_BYTES, e.Bytes)
		b.U64BE(unix.NFTA_QUOTA_CONSUMED, min(used, e.Bytes))
		b.U32BE(unix.NFTA_QUOTA_FLAGS, flag(e.Invert, 1)|flag(used > e.Bytes, 2))
	case *filter.Last:
		at := e.At()
		b.U32BE(1, flag(at != 0, 1))
		ms := uint64(0)
		if at != 0 {
			ms = uint64(max(c.rules.Now()-at, 0)) / uint64(time.Millisecond)
		}
		b.U64BE(2, ms)
	case *filter.ConnLimit:
		b.U32BE(1, e.Count)
		b.U32BE(2, flag(e.Invert, 1))
	case *filter.Log:
		encodeLog(b, e)
	}
}

// limitBurst is the burst as it is told: five packets if nothing was said.
func limitBurst(e *filter.Limit) uint32 {
	if e.Burst == 0 && !e.Bytes {
		return 5
	}
	return e.Burst
}

func ports(b *wire.Builder, lo, hi uint16, from, to filter.Register, has bool) {
	if has {
		reg(b, lo, from)
		reg(b, hi, to)
	}
}

func encodeNAT(b *wire.Builder, e *filter.NAT) {
	typ := uint32(unix.NFT_NAT_DNAT)
	if e.Src {
		typ = unix.NFT_NAT_SNAT
	}
	b.U32BE(unix.NFTA_NAT_TYPE, typ)
	b.U32BE(unix.NFTA_NAT_FAMILY, uint32(e.Family))
	if e.HasAddr {
		reg(b, unix.NFTA_NAT_REG_ADDR_MIN, e.AddrMin)
		reg(b, unix.NFTA_NAT_REG_ADDR_MAX, e.AddrMax)
	}
	ports(b, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX, e.PortMin, e.PortMax, e.HasPort)
	if e.Flags != 0 {
		b.U32BE(unix.NFTA_NAT_FLAGS, e.Flags)
	}
}

func encodeLog(b *wire.Builder, e *filter.Log) {
	if e.Prefix != "" {
		b.String(unix.NFTA_LOG_PREFIX, e.Prefix)
	}
	if e.HasGroup {
		b.U16BE(unix.NFTA_LOG_GROUP, e.Group)
		if e.HasSnapLen {
			b.U32BE(unix.NFTA_LOG_SNAPLEN, e.SnapLen)
		}
		if e.HasQ {
			b.U16BE(unix.NFTA_LOG_QTHRESHOLD, e.QThreshold)
		}
		return
	}
	b.U32BE(unix.NFTA_LOG_LEVEL, e.Level)
	if e.Flags != 0 {
		b.U32BE(unix.NFTA_LOG_FLAGS, e.Flags)
	}
}

func (c *call) encodeDynSet(b *wire.Builder, e *filter.DynSet) {
	reg(b, unix.NFTA_DYNSET_SREG_KEY, e.SRegKey)
	if e.HasData {
		reg(b, unix.NFTA_DYNSET_SREG_DATA, e.SRegData)
	}
	b.U32BE(unix.NFTA_DYNSET_OP, e.Op)
	b.String(unix.NFTA_DYNSET_SET_NAME, e.Set)
	if e.HasTimeout {
		b.U64BE(unix.NFTA_DYNSET_TIMEOUT, uint64(e.Timeout/time.Millisecond))
	}
	c.writeStates(b, unix.NFTA_DYNSET_EXPR, dynSetExprs, e.Exprs, false)
	b.U32BE(unix.NFTA_DYNSET_FLAGS, flag(e.Invert, 1))
}
