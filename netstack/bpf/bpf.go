// Package bpf runs classic BPF programs over packets: what SO_ATTACH_FILTER
// attaches and tcpdump compiles to, with Linux's ancillary loads.
//
// A program is checked once, by Parse; running it then ends, reads nothing but
// the packet, and cannot fail but by accepting nothing. Jumps only go forward.
// It knows no socket and no protocol.
package bpf

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// MaxLen bounds the instructions of a program: BPF_MAXINSNS.
const MaxLen = 4096

// Extensions is what SO_BPF_EXTENSIONS says: the length of the ancillary area
// that loads may name, SKF_AD_MAX.
const Extensions = 64

// instruction is struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

const instructionSize = 8

// Program is a checked program, immutable.
type Program struct{ insns []instruction }

// The ancillary loads: offsets of a load at and above adOffset (SKF_AD_OFF).
const (
	adOffset    = 0xfffff000
	netOffset   = 0xfff00000 // SKF_NET_OFF
	linkOffset  = 0xffe00000 // SKF_LL_OFF
	adProtocol  = 0
	adPktType   = 4
	adIfIndex   = 8
	adNlAttr    = 12
	adNlAttrN   = 16
	adMark      = 20
	adQueue     = 24
	adHAType    = 28
	adRxHash    = 32
	adCPU       = 36
	adXorX      = 40
	adVLANTag   = 44
	adVLANHas   = 48
	adPayload   = 52
	adRandom    = 56
	adVLANProto = 60
)

// memWords is the size of the scratch memory: BPF_MEMWORDS.
const memWords = 16

// Parse checks an array of struct sock_filter: EINVAL.
func Parse(b []byte) (*Program, error) {
	n := len(b) / instructionSize
	if n == 0 || n > MaxLen || len(b)%instructionSize != 0 {
		return nil, unix.EINVAL
	}
	p := &Program{make([]instruction, n)}
	for i := range p.insns {
		at := b[i*instructionSize:]
		p.insns[i] = instruction{binary.NativeEndian.Uint16(at), at[2], at[3], binary.NativeEndian.Uint32(at[4:])}
	}
	for i := range p.insns {
		if !p.valid(i) {
			return nil, unix.EINVAL
		}
	}
	if p.insns[n-1].code&7 != unix.BPF_RET || !p.initialised() {
		return nil, unix.EINVAL
	}
	return p, nil
}

// Bytes returns the program as Parse took it: SO_GET_FILTER.
func (p *Program) Bytes() []byte {
	b := make([]byte, 0, len(p.insns)*instructionSize)
	for _, in := range p.insns {
		b = binary.NativeEndian.AppendUint16(b, in.code)
		b = append(b, in.jt, in.jf)
		b = binary.NativeEndian.AppendUint32(b, in.k)
	}
	return b
}

// Len returns the number of instructions.
func (p *Program) Len() int { return len(p.insns) }

// valid checks instruction i by itself.
func (p *Program) valid(i int) bool {
	in := p.insns[i]
	left := len(p.insns) - i - 1 // instructions after it
	switch in.code & 7 {
	case unix.BPF_LD, unix.BPF_LDX:
		return validLoad(in)
	case unix.BPF_ST, unix.BPF_STX:
		return in.code&^7 == 0 && in.k < memWords
	case unix.BPF_ALU:
		return validALU(in)
	case unix.BPF_JMP:
		if in.code == unix.BPF_JMP|unix.BPF_JA {
			return int64(in.k) < int64(left)
		}
		switch in.code &^ 0xf {
		case unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET:
			return int(in.jt) < left && int(in.jf) < left
		}
		return false
	case unix.BPF_RET:
		rv := in.code &^ 7
		return rv == unix.BPF_K || rv == unix.BPF_A
	case unix.BPF_MISC:
		return in.code == unix.BPF_MISC|unix.BPF_TAX || in.code == unix.BPF_MISC|unix.BPF_TXA
	}
	return false
}

func validLoad(in instruction) bool {
	size, mode := in.code&0x18, in.code&0xe0
	if in.code&^0xff != 0 || size == 0x18 {
		return false
	}
	if in.code&7 == unix.BPF_LDX {
		switch mode {
		case unix.BPF_IMM, unix.BPF_LEN:
			return size == unix.BPF_W
		case unix.BPF_MEM:
			return size == unix.BPF_W && in.k < memWords
		case unix.BPF_MSH:
			return size == unix.BPF_B
		}
		return false
	}
	switch mode {
	case unix.BPF_IMM, unix.BPF_LEN:
		return size == unix.BPF_W
	case unix.BPF_MEM:
		return size == unix.BPF_W && in.k < memWords
	case unix.BPF_ABS:
		return in.k < adOffset || in.k-adOffset < Extensions && in.k&3 == 0
	case unix.BPF_IND:
		return true
	}
	return false
}

func validALU(in instruction) bool {
	if in.code&^0xff != 0 {
		return false
	}
	k := in.code&unix.BPF_X == 0
	switch in.code & 0xf0 {
	case unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_OR, unix.BPF_AND, unix.BPF_XOR:
		return true
	case unix.BPF_DIV, unix.BPF_MOD:
		return !k || in.k != 0
	case unix.BPF_LSH, unix.BPF_RSH:
		return !k || in.k < 32
	case unix.BPF_NEG:
		return k
	}
	return false
}

// initialised reports whether no word of the scratch memory is read that was not
// written on every way to there.
func (p *Program) initialised() bool {
	masks := make([]uint16, len(p.insns)+256)
	for i := range masks {
		masks[i] = 0xffff
	}
	valid := uint16(0)
	for i, in := range p.insns {
		valid &= masks[i]
		switch in.code & 7 {
		case unix.BPF_ST, unix.BPF_STX:
			valid |= 1 << in.k
		case unix.BPF_LD, unix.BPF_LDX:
			if in.code&0xe0 == unix.BPF_MEM && valid>>in.k&1 == 0 {
				return false
			}
		case unix.BPF_JMP:
			if in.code == unix.BPF_JMP|unix.BPF_JA {
				masks[i+1+int(in.k)] &= valid
			} else {
				masks[i+1+int(in.jt)] &= valid
				masks[i+1+int(in.jf)] &= valid
			}
			valid = 0xffff
		case unix.BPF_RET:
			valid = 0xffff
		}
	}
	return true
}
