// Package ebpf has programs of the extended Berkeley packet filter, bpf(2), of the one
// type that hull's kernel runs: those of cgroups that decide about devices
// (BPF_PROG_TYPE_CGROUP_DEVICE).
//
//	Parse → checked once: it ends, reads nothing that was not written, and of memory
//	        only the words of its context
//	Run   → a number, by interpretation
//
// There are no maps, helpers, calls or loops, and no memory but the context.
package ebpf

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"

	"golang.org/x/sys/unix"
)

// MaxInstructions bounds a program (BPF_MAXINSNS).
const MaxInstructions = 4096

const (
	size      = 8  // of an instruction, in bytes
	registers = 11 // R10 is the stack, which there is none of
	result    = 0
	context   = 1
)

// instruction is struct bpf_insn.
type instruction struct {
	op       uint8
	dst, src uint8
	off      int16
	imm      int32
}

// Program is one that was checked. It is not changed.
type Program struct {
	Type uint32 // BPF_PROG_TYPE_*
	ID   uint32 // a number that no other one of the sandbox has
	Tag  [8]byte
	code []instruction
}

// The parts of an operation, linux/bpf_common.h and linux/bpf.h.
const (
	classMask = 0x07
	classLDX  = 0x01
	classALU  = 0x04
	classJMP  = 0x05
	classJ32  = 0x06
	classA64  = 0x07

	fromReg = 0x08 // the operand is a register
	opMask  = 0xf0

	loadWord = 0x61 // BPF_LDX | BPF_MEM | BPF_W
	jumpTo   = 0x05 // BPF_JMP | BPF_JA
	exit     = 0x95
	call     = 0x85
)

// Parse checks a program that reads a context of words of 4 bytes: EINVAL for what is
// no program, EACCES for what it must not do, E2BIG.
func Parse(b []byte, words int) (*Program, error) {
	n := len(b) / size
	switch {
	case n == 0 || len(b)%size != 0:
		return nil, unix.EINVAL
	case n > MaxInstructions:
		return nil, unix.E2BIG
	}
	p := &Program{code: make([]instruction, n)}
	le := binary.LittleEndian
	for i := range p.code {
		x := b[i*size:]
		p.code[i] = instruction{x[0], x[1] & 15, x[1] >> 4, int16(le.Uint16(x[2:])), int32(le.Uint32(x[4:]))}
	}
	if err := p.check(words); err != nil {
		return nil, err
	}
	h := fnv.New64a()
	_, _ = h.Write(b) // it never fails, hash.Hash
	le.PutUint64(p.Tag[:], h.Sum64())
	return p, nil
}

// state is what is known before an instruction, on every way that leads there.
type state struct {
	reached bool
	written uint16 // registers that hold a number
	context uint16 // registers that hold the context's address
}

func (s *state) merge(o state) {
	if !s.reached {
		*s = o
		return
	}
	s.written &= o.written
	s.context &= o.context
}

// check goes through the program once: jumps lead forward only, so that all that leads
// to an instruction was seen before it.
func (p *Program) check(words int) error {
	at := make([]state, len(p.code)+1)
	at[0] = state{true, 0, 1 << context}
	for i, x := range p.code {
		s := at[i]
		if !s.reached {
			continue // Linux refuses what is never come to; it does no harm
		}
		if x.dst >= registers-1 || x.src >= registers-1 {
			return unix.EACCES
		}
		if x.op == exit {
			if s.written>>result&1 == 0 {
				return unix.EACCES
			}
			continue
		}
		next, jumps, err := x.check(s, words)
		if err != nil {
			return err
		}
		if jumps {
			to := i + 1 + int(x.off)
			if x.off < 0 || to >= len(p.code) {
				return unix.EINVAL
			}
			at[to].merge(next)
			if x.op == jumpTo {
				continue
			}
		}
		at[i+1].merge(next)
	}
	if at[len(p.code)].reached {
		return unix.EINVAL // it runs off its end
	}
	return nil
}

// check checks one instruction in a state, and returns the state behind it.
func (x *instruction) check(s state, words int) (next state, jumps bool, err error) {
	number := func(r uint8) bool { return s.written>>r&1 != 0 }
	operand := x.op&fromReg == 0 || number(x.src)
	set := func(address bool) state {
		n := s
		n.written |= 1 << x.dst
		n.context &^= 1 << x.dst
		if address {
			n.written &^= 1 << x.dst
			n.context |= 1 << x.dst
		}
		return n
	}
	switch x.op & classMask {
	case classLDX:
		if x.op != loadWord || s.context>>x.src&1 == 0 || x.off < 0 || x.off%4 != 0 || int(x.off)/4 >= words {
			return s, false, unix.EACCES
		}
		return set(false), false, nil
	case classALU, classA64:
		switch op := x.op & opMask; op {
		case 0xb0: // mov
			if x.op == classA64|fromReg|0xb0 && s.context>>x.src&1 != 0 {
				return set(true), false, nil
			}
			if !operand {
				return s, false, unix.EACCES
			}
			return set(false), false, nil
		case 0x80: // neg
			operand = true
		case 0x60, 0x70, 0xc0: // shifts
			width := int32(32)
			if x.op&classMask == classA64 {
				width = 64
			}
			if x.op&fromReg == 0 && (x.imm < 0 || x.imm >= width) {
				return s, false, unix.EINVAL
			}
		case 0x00, 0x10, 0x20, 0x40, 0x50, 0xa0:
		default: // division, byte order
			return s, false, unix.EINVAL
		}
		if !operand || !number(x.dst) {
			return s, false, unix.EACCES
		}
		return set(false), false, nil
	case classJMP, classJ32:
		switch {
		case x.op == jumpTo:
			return s, true, nil
		case x.op == call || x.op&opMask > 0xd0 || x.op&opMask == 0 || x.op&opMask == 0x80 || x.op&opMask == 0x90:
			return s, false, unix.EINVAL
		case !operand || !number(x.dst):
			return s, false, unix.EACCES
		}
		return s, true, nil
	}
	return s, false, unix.EINVAL
}

// Run runs the program over a context of as many words as Parse was told.
func (p *Program) Run(ctx []uint32) uint32 {
	var r [registers]uint64
	for i := 0; i < len(p.code); i++ {
		x := &p.code[i]
		v := uint64(int64(x.imm))
		if x.op&fromReg != 0 {
			v = r[x.src]
		}
		switch x.op & classMask {
		case classLDX:
			r[x.dst] = uint64(ctx[x.off/4])
		case classALU:
			r[x.dst] = uint64(uint32(compute(x.op&opMask, uint64(uint32(r[x.dst])), uint64(uint32(v)), 32)))
		case classA64:
			r[x.dst] = compute(x.op&opMask, r[x.dst], v, 64)
		default:
			if x.op == exit {
				return uint32(r[result])
			}
			a, b := r[x.dst], v
			if x.op&classMask == classJ32 {
				a, b = uint64(int64(int32(a))), uint64(int64(int32(b)))
			}
			if x.op == jumpTo || holds(x.op&opMask, a, b, x.op&classMask == classJ32) {
				i += int(x.off)
			}
		}
	}
	return 0
}

// compute is the operations on numbers of some bits.
func compute(op uint8, a, b uint64, width uint64) uint64 {
	shift := b & (width - 1)
	switch op {
	case 0x00:
		return a + b
	case 0x10:
		return a - b
	case 0x20:
		_, lo := bits.Mul64(a, b)
		return lo
	case 0x40:
		return a | b
	case 0x50:
		return a & b
	case 0x60:
		return a << shift
	case 0x70:
		return a >> shift
	case 0x80:
		return -a
	case 0xa0:
		return a ^ b
	case 0xb0:
		return b
	}
	if width == 32 { // arithmetic shift
		return uint64(int32(a) >> shift)
	}
	return uint64(int64(a) >> shift)
}

// holds is the conditions of jumps. Of 32 bits, the operands are extended by their
// sign, which keeps the order of signed ones; unsigned ones are cut again.
func holds(op uint8, a, b uint64, short bool) bool {
	if short {
		switch op {
		case 0x20, 0x30, 0xa0, 0xb0, 0x40:
			a, b = uint64(uint32(a)), uint64(uint32(b))
		}
	}
	switch op {
	case 0x10:
		return a == b
	case 0x20:
		return a > b
	case 0x30:
		return a >= b
	case 0x40:
		return a&b != 0
	case 0x50:
		return a != b
	case 0x60:
		return int64(a) > int64(b)
	case 0x70:
		return int64(a) >= int64(b)
	case 0xa0:
		return a < b
	case 0xb0:
		return a <= b
	case 0xc0:
		return int64(a) < int64(b)
	}
	return int64(a) <= int64(b) // 0xd0
}
