package ptrace

import "hull/sentry/arch"

// writes reports whether the instruction that begins with code, executed with
// regs, faulted at addr because it stores there. It says so only if that is
// certain: a store that it does not know counts as a read and faults again,
// while a read taken for a store would be refused in read-only memory.
func writes(code []byte, regs *arch.Registers, addr uint64) bool {
	if regs.Cs != userCS {
		return false // 32-bit code, in which opcodes mean other things
	}
	d := decoder{code: code}
	return d.stores(regs, addr)
}

// decoder walks along the bytes of one instruction. Behind their end it reads
// zeros, with short set.
type decoder struct {
	code  []byte
	short bool
	// mandatory is the last of the prefixes 66, F2 and F3, which select among
	// the vector instructions of one opcode.
	mandatory byte
}

func (d *decoder) next() byte {
	if len(d.code) == 0 {
		d.short = true
		return 0
	}
	b := d.code[0]
	d.code = d.code[1:]
	return b
}

// memory reads a ModRM byte and returns its reg field; ok says that the other
// operand is in memory.
func (d *decoder) memory() (reg byte, ok bool) {
	m := d.next()
	return m >> 3 & 7, m>>6 != 3 && !d.short
}

// among reports whether the operand is in memory and reg one of those whose
// bits are set in mask.
func (d *decoder) among(mask byte) bool {
	reg, ok := d.memory()
	return ok && mask>>reg&1 != 0
}

// anyReg is the mask for instructions that the reg field does not select.
const anyReg = 0xff

func (d *decoder) stores(regs *arch.Registers, addr uint64) bool {
	op := d.next()
	for prefix := true; prefix; {
		switch op {
		case 0x66, 0xf2, 0xf3:
			d.mandatory = op
			op = d.next()
		case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0:
			op = d.next()
		default:
			prefix = false
		}
	}
	if op>>4 == 4 { // REX
		op = d.next()
	}
	if d.short {
		return false
	}
	pushed := regs.Rsp-addr <= 8 && addr != regs.Rsp
	switch {
	case op < 0x38 && op&7 < 2: // add … xor to memory
		return d.among(anyReg)
	case op>>3 == 0x50>>3, op == 0x68, op == 0x6a, op == 0x9c, op == 0xe8: // push, call
		return pushed
	case op>>2 == 0xd0>>2: // shifts
		return d.among(anyReg)
	}
	switch op {
	case 0x0f:
		return d.twoByte()
	case 0xc5: // VEX with two bytes
		return vectorStore(1, d.vexPrefix(d.next()), d)
	case 0xc4: // VEX with three
		m := d.next() & 0x1f
		return vectorStore(m, d.vexPrefix(d.next()), d)
	case 0x62: // EVEX
		m := d.next() & 7
		pp := d.vexPrefix(d.next())
		d.next()
		return vectorStore(m, pp, d) || evexStore(m, pp, d)
	case 0x80, 0x81, 0x83: // all but cmp
		return d.among(anyReg &^ (1 << 7))
	case 0x86, 0x87, 0x88, 0x89, 0x8c, 0xc0, 0xc1: // xchg, mov, shifts
		return d.among(anyReg)
	case 0x8f: // pop to memory
		return d.among(1<<0) && addr-regs.Rsp >= 8
	case 0xa2, 0xa3: // mov to an absolute address
		return true
	case 0xaa, 0xab: // stos
		return true
	case 0xa4, 0xa5: // movs
		return addr-regs.Rdi < 8 && addr-regs.Rsi >= 8
	case 0xc6, 0xc7: // mov of a constant
		return d.among(1 << 0)
	case 0xf6, 0xf7: // not, neg
		return d.among(1<<2 | 1<<3)
	case 0xfe: // inc, dec
		return d.among(1<<0 | 1<<1)
	case 0xff: // inc, dec; call and push, whose operand is read
		reg, ok := d.memory()
		return ok && reg < 2 || !d.short && (reg == 2 || reg == 6) && pushed
	case 0xd9: // fst, fstp, fnstenv, fnstcw
		return d.among(1<<2 | 1<<3 | 1<<6 | 1<<7)
	case 0xdb: // fisttp, fist, fistp, fstp
		return d.among(1<<1 | 1<<2 | 1<<3 | 1<<7)
	case 0xdd, 0xdf: // the like, fnsave, fnstsw, fbstp
		return d.among(1<<1 | 1<<2 | 1<<3 | 1<<6 | 1<<7)
	}
	return false
}

// vexPrefix returns the mandatory prefix that the pp field stands for.
func (d *decoder) vexPrefix(b byte) byte { return [4]byte{0, 0x66, 0xf3, 0xf2}[b&3] }

// twoByte decodes an opcode behind 0F.
func (d *decoder) twoByte() bool {
	op := d.next()
	switch {
	case op>>4 == 9: // setcc
		return d.among(anyReg)
	case op == 0x38:
		return d.next() == 0xf1 && d.mandatory != 0xf2 && d.among(anyReg) // movbe
	case op == 0x3a:
		return sseStore(3, d.next(), d.mandatory) && d.among(anyReg)
	case sseStore(1, op, d.mandatory):
		return d.among(anyReg)
	}
	switch op {
	case 0xa4, 0xa5, 0xac, 0xad, // shld, shrd
		0xab, 0xb3, 0xbb, // bts, btr, btc
		0xb0, 0xb1, 0xc0, 0xc1, // cmpxchg, xadd
		0xc3: // movnti
		return d.among(anyReg)
	case 0xba: // bts, btr, btc
		return d.among(1<<5 | 1<<6 | 1<<7)
	case 0xae: // fxsave, stmxcsr, xsave, xsaveopt
		return d.mandatory == 0 && d.among(1<<0|1<<3|1<<4|1<<6)
	case 0xc7: // cmpxchg8b, xsavec, xsaves
		return d.among(1<<1 | 1<<4 | 1<<5)
	}
	return false
}

// sseStore reports whether an opcode of a map (1: 0F, 3: 0F 3A) is a store in
// SSE, VEX and EVEX form alike.
func sseStore(opcodeMap, op, mandatory byte) bool {
	switch opcodeMap {
	case 1:
		switch op {
		case 0x11, 0x13, 0x17, 0x29, 0x2b, 0x7f, 0xd6, 0xe7: // movups … movntdq
			return true
		case 0x7e: // movd; with F3 it loads
			return mandatory != 0xf3
		}
	case 3:
		return op >= 0x14 && op <= 0x17 // pextr
	}
	return false
}

// vectorStore reports whether a VEX or EVEX instruction, of which the opcode is
// next, stores. The opcode is left in place if it is none of these.
func vectorStore(opcodeMap, mandatory byte, d *decoder) bool {
	if len(d.code) == 0 {
		return false
	}
	op := d.code[0]
	store := sseStore(opcodeMap, op, mandatory)
	switch opcodeMap {
	case 1:
		if op == 0xae { // vstmxcsr
			d.next()
			return d.among(1 << 3)
		}
		store = store || op == 0x91 // kmov
	case 2:
		store = op == 0x2e || op == 0x2f || op == 0x8e // masked moves
	case 3: // vextract, vcvtps2ph
		store = store || op == 0x19 || op == 0x39 || op == 0x1d
	}
	if !store {
		return false
	}
	d.next()
	return d.among(anyReg)
}

// evexStore knows the stores that only EVEX has.
func evexStore(opcodeMap, mandatory byte, d *decoder) bool {
	op := d.next()
	store := false
	switch opcodeMap {
	case 2:
		narrow := op&7 < 6 && (op>>4 >= 1 && op>>4 <= 3) && op&8 == 0
		store = narrow && mandatory == 0xf3 || // vpmov to narrower elements
			op == 0x63 || op == 0x8a || op == 0x8b || // compress
			op >= 0xa0 && op <= 0xa3 // scatter
	case 3:
		store = op == 0x1b || op == 0x3b // vextract
	}
	return store && d.among(anyReg)
}
