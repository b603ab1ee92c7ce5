package filter

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Cmp compares a register with a value: NFT_CMP_*.
type Cmp struct {
	Op   uint32
	SReg Register
	Data []byte
}

// The operators of Cmp and Range.
const (
	CmpEQ = iota
	CmpNEQ
	CmpLT
	CmpLTE
	CmpGT
	CmpGTE
)

func (e *Cmp) eval(x *run) {
	d := bytes.Compare(x.bytes(e.SReg, len(e.Data)), e.Data)
	ok := false
	switch e.Op {
	case CmpEQ:
		ok = d == 0
	case CmpNEQ:
		ok = d != 0
	case CmpLT:
		ok = d < 0
	case CmpLTE:
		ok = d <= 0
	case CmpGT:
		ok = d > 0
	case CmpGTE:
		ok = d >= 0
	}
	if !ok {
		x.fail()
	}
}

// Range matches a register that is between two values, or with CmpNEQ is not.
type Range struct {
	Op       uint32
	SReg     Register
	From, To []byte
}

func (e *Range) eval(x *run) {
	v := x.bytes(e.SReg, len(e.From))
	in := bytes.Compare(v, e.From) >= 0 && bytes.Compare(v, e.To) <= 0
	if in != (e.Op == CmpEQ) {
		x.fail()
	}
}

// Bitwise combines bits of registers: NFT_BITWISE_*.
type Bitwise struct {
	Op         uint32
	SReg, DReg Register
	SReg2      Register // of And, Or and Xor, if HasSReg2
	HasSReg2   bool
	Len        int
	Mask, Xor  []byte // of BitwiseMaskXor
	Data       []byte // the shift; or the other operand
}

// The operators of Bitwise.
const (
	BitwiseMaskXor = iota
	BitwiseLeft
	BitwiseRight
	BitwiseAnd
	BitwiseOr
	BitwiseXor
)

func (e *Bitwise) eval(x *run) {
	src, dst := x.bytes(e.SReg, e.Len), x.bytes(e.DReg, e.Len)
	switch e.Op {
	case BitwiseMaskXor:
		for i := range dst {
			dst[i] = src[i]&e.Mask[i] ^ e.Xor[i]
		}
	case BitwiseLeft, BitwiseRight:
		shift(dst, src, binary.NativeEndian.Uint32(e.Data), e.Op == BitwiseLeft)
	default:
		other := e.Data
		if e.HasSReg2 {
			other = x.bytes(e.SReg2, e.Len)
		}
		for i := range dst {
			switch e.Op {
			case BitwiseAnd:
				dst[i] = src[i] & other[i]
			case BitwiseOr:
				dst[i] = src[i] | other[i]
			default:
				dst[i] = src[i] ^ other[i]
			}
		}
	}
}

// shift shifts a number of words in the machine's byte order, the most
// significant word first.
func shift(dst, src []byte, n uint32, left bool) {
	ne := binary.NativeEndian
	words := len(src) / 4
	var carry uint32
	for k := range words {
		i := k
		if left {
			i = words - 1 - k
		}
		v := ne.Uint32(src[i*4:])
		if left {
			ne.PutUint32(dst[i*4:], v<<n|carry)
			carry = v >> (32 - n)
		} else {
			ne.PutUint32(dst[i*4:], v>>n|carry)
			carry = v << (32 - n)
		}
	}
}

// ByteOrder turns numbers of a size into the network's byte order or the machine's.
type ByteOrder struct {
	Op         uint32 // NFT_BYTEORDER_NTOH or HTON, which do the same
	SReg, DReg Register
	Len, Size  int
}

func (e *ByteOrder) eval(x *run) {
	src, dst := x.bytes(e.SReg, e.Len), x.bytes(e.DReg, e.Len)
	for i := 0; i+e.Size <= e.Len; i += e.Size {
		switch e.Size {
		case 2:
			binary.BigEndian.PutUint16(dst[i:], binary.NativeEndian.Uint16(src[i:]))
		case 4:
			binary.BigEndian.PutUint32(dst[i:], binary.NativeEndian.Uint32(src[i:]))
		case 8:
			binary.BigEndian.PutUint64(dst[i:], binary.NativeEndian.Uint64(src[i:]))
		}
	}
}

// Immediate stores a value, or decides.
type Immediate struct {
	DReg    Register
	Data    []byte
	Verdict *VerdictData // instead
}

// VerdictData is a verdict with the chain of a jump.
type VerdictData struct {
	Code  Code
	Chain string
	// ChainID says which chain of the batch is meant that has no name yet.
	ChainID uint32
}

func (e *Immediate) eval(x *run) {
	if e.Verdict != nil {
		x.code, x.to = e.Verdict.Code, e.Verdict.Chain
		return
	}
	copy(x.clear(e.DReg, len(e.Data)), e.Data)
}

// NumGen makes numbers: one after the other, or random ones.
type NumGen struct {
	DReg            Register
	Type            uint32 // NFT_NG_INCREMENTAL or RANDOM
	Modulus, Offset uint32
	next            counter32
}

func (e *NumGen) eval(x *run) {
	var v uint32
	if e.Type == 0 {
		v = (e.next.Add(1) - 1) % e.Modulus
	} else {
		v = scale(x.random32(), e.Modulus)
	}
	x.setWord(e.DReg, v+e.Offset)
}

// scale maps a number evenly onto those below n.
func scale(v, n uint32) uint32 {
	hi, _ := bits.Mul32(v, n)
	return hi
}

func (x *run) random32() uint32 {
	var b [4]byte
	x.rules.cfg.Random(b[:])
	return binary.NativeEndian.Uint32(b[:])
}

// Hash makes a number of a register, or of the packet's flow.
type Hash struct {
	Type            uint32 // NFT_HASH_JENKINS or SYM
	SReg, DReg      Register
	Len             int
	Modulus, Offset uint32
	Seed            uint32
	HasSeed         bool
}

func (e *Hash) eval(x *run) {
	h := uint32(2166136261) ^ e.Seed
	mix := func(b []byte) {
		for _, v := range b {
			h = (h ^ uint32(v)) * 16777619
		}
	}
	if e.Type == 0 {
		mix(x.bytes(e.SReg, e.Len))
	} else {
		// Both directions of a flow have one number.
		a, b := x.pk.Tuple.Src.As16(), x.pk.Tuple.Dst.As16()
		p, q := x.pk.Tuple.SrcPort, x.pk.Tuple.DstPort
		if bytes.Compare(a[:], b[:]) > 0 || a == b && p > q {
			a, b, p, q = b, a, q, p
		}
		mix(a[:])
		mix(b[:])
		mix([]byte{byte(p >> 8), byte(p), byte(q >> 8), byte(q), byte(x.pk.Tuple.Proto)})
	}
	h ^= h >> 16
	x.setWord(e.DReg, scale(h*0x85ebca6b, e.Modulus)+e.Offset)
}
