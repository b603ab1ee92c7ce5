// Package bpf is the machine of classic BPF, and runs its programs over packets:
// what SO_ATTACH_FILTER attaches and tcpdump compiles to, with Linux's ancillary
// loads.
//
//	Instruction  struct sock_filter
//	Check        what every user of the machine asks of a program
//	Registers    what does not look at the input: arithmetic, jumps, memory
//	Program      a checked program over a Packet
//
// A program is checked once; running it then ends, reads nothing but its input,
// and cannot fail but by accepting nothing. Jumps only go forward. The filters of
// seccomp(2) are programs of the same machine with another input: package
// seccomp of the sentry has their loads.
//
// It knows no socket and no protocol. Source: Documentation/networking/filter.rst.
package bpf

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// MaxLen bounds the instructions of a program: BPF_MAXINSNS.
const MaxLen = 4096

// MemWords is how many words of 32 bits the scratch memory has: BPF_MEMWORDS.
const MemWords = 16

// Instruction is struct sock_filter.
type Instruction struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// InstructionSize is an instruction's size in memory, in bytes.
const InstructionSize = 8

// Decode reads an array of struct sock_filter: EINVAL if it is empty, longer than
// MaxLen instructions or ends within one.
func Decode(b []byte) ([]Instruction, error) {
	n := len(b) / InstructionSize
	if n == 0 || n > MaxLen || len(b)%InstructionSize != 0 {
		return nil, unix.EINVAL
	}
	code := make([]Instruction, n)
	for i := range code {
		at := b[i*InstructionSize:]
		code[i] = Instruction{binary.NativeEndian.Uint16(at), at[2], at[3], binary.NativeEndian.Uint32(at[4:])}
	}
	return code, nil
}

// Class is the kind of an instruction: BPF_LD and so on.
func (i Instruction) Class() uint16 { return i.Code & 0x07 }

// Op is what arithmetic or a jump does: BPF_ADD, BPF_JEQ and so on.
func (i Instruction) Op() uint16 { return i.Code & 0xf0 }

// Mode is where a load takes its value: BPF_ABS and so on.
func (i Instruction) Mode() uint16 { return i.Code & 0xe0 }

// FromX reports whether the second operand is the index register, not K.
func (i Instruction) FromX() bool { return i.Code&unix.BPF_X != 0 }

// Size is how many bytes a load of the input takes.
func (i Instruction) Size() int {
	switch i.Code & 0x18 {
	case unix.BPF_H:
		return 2
	case unix.BPF_B:
		return 1
	}
	return 4
}

// Check checks a program: each instruction is one that the machine has, jumps
// stay inside, it ends with a return, and no word of memory is read before it was
// written. EINVAL if not.
func Check(code []Instruction) error {
	if len(code) == 0 || len(code) > MaxLen {
		return unix.EINVAL
	}
	for i, in := range code {
		if !valid(in, len(code)-i-1) {
			return unix.EINVAL
		}
	}
	if code[len(code)-1].Class() != unix.BPF_RET || !initialised(code) {
		return unix.EINVAL
	}
	return nil
}

// valid checks one instruction that has so many behind it.
func valid(in Instruction, behind int) bool {
	switch in.Class() {
	case unix.BPF_LD, unix.BPF_LDX:
		return validLoad(in)
	case unix.BPF_ST, unix.BPF_STX:
		return in.Code&^7 == 0 && in.K < MemWords
	case unix.BPF_ALU:
		return validALU(in)
	case unix.BPF_JMP:
		if in.Code == unix.BPF_JMP|unix.BPF_JA {
			return int64(in.K) < int64(behind)
		}
		switch in.Code &^ 0xf {
		case unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET:
			return int(in.Jt) < behind && int(in.Jf) < behind
		}
		return false
	case unix.BPF_RET:
		rv := in.Code &^ 7
		return rv == unix.BPF_K || rv == unix.BPF_A
	case unix.BPF_MISC:
		return in.Code == unix.BPF_MISC|unix.BPF_TAX || in.Code == unix.BPF_MISC|unix.BPF_TXA
	}
	return false
}

func validLoad(in Instruction) bool {
	size, mode := in.Code&0x18, in.Mode()
	if in.Code&^0xff != 0 || size == 0x18 {
		return false
	}
	switch mode {
	case unix.BPF_IMM, unix.BPF_LEN:
		return size == unix.BPF_W
	case unix.BPF_MEM:
		return size == unix.BPF_W && in.K < MemWords
	}
	if in.Class() == unix.BPF_LDX {
		return mode == unix.BPF_MSH && size == unix.BPF_B
	}
	switch mode {
	case unix.BPF_ABS:
		return in.K < adOffset || in.K-adOffset < Extensions && in.K&3 == 0
	case unix.BPF_IND:
		return true
	}
	return false
}

func validALU(in Instruction) bool {
	if in.Code&^0xff != 0 {
		return false
	}
	switch in.Op() {
	case unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_OR, unix.BPF_AND, unix.BPF_XOR:
		return true
	case unix.BPF_DIV, unix.BPF_MOD:
		return in.FromX() || in.K != 0
	case unix.BPF_LSH, unix.BPF_RSH:
		return in.FromX() || in.K < 32
	case unix.BPF_NEG:
		return !in.FromX()
	}
	return false
}

// initialised reports whether no word of memory is read, on any way through the
// program, that was not written before. Jumps go forward only, so one pass sees
// every way to an instruction before the instruction.
func initialised(code []Instruction) bool {
	const all = uint16(0xffff)
	reach := make([]uint16, len(code)) // words written on every way to it
	for i := range reach {
		reach[i] = all
	}
	now := uint16(0)
	for i, in := range code {
		now &= reach[i]
		switch in.Class() {
		case unix.BPF_ST, unix.BPF_STX:
			now |= 1 << in.K
		case unix.BPF_LD, unix.BPF_LDX:
			if in.Mode() == unix.BPF_MEM && now>>in.K&1 == 0 {
				return false
			}
		case unix.BPF_JMP:
			if in.Op() == unix.BPF_JA {
				reach[i+1+int(in.K)] &= now
			} else {
				reach[i+1+int(in.Jt)] &= now
				reach[i+1+int(in.Jf)] &= now
			}
			now = all
		case unix.BPF_RET:
			now = all
		}
	}
	return true
}
