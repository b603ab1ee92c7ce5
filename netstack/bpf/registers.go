package bpf

import "golang.org/x/sys/unix"

// Registers is the machine while a program runs: accumulator, index, and the
// scratch memory. Its methods trust that Check has seen the program.
type Registers struct {
	A, X uint32
	mem  [MemWords]uint32
}

// Step carries out an instruction that is neither a return nor a load from the
// input, and returns how many of those behind it are passed over. It is false for
// a division by zero, which ends the program with 0. length is that of the input,
// in bytes.
func (r *Registers) Step(in *Instruction, length uint32) (skip int, ok bool) {
	switch in.Class() {
	case unix.BPF_LD:
		r.A = r.known(in, length)
	case unix.BPF_LDX:
		r.X = r.known(in, length)
	case unix.BPF_ST:
		r.mem[in.K] = r.A
	case unix.BPF_STX:
		r.mem[in.K] = r.X
	case unix.BPF_ALU:
		return 0, r.alu(in)
	case unix.BPF_JMP:
		return r.jump(in), true
	case unix.BPF_MISC:
		if in.Code == unix.BPF_MISC|unix.BPF_TAX {
			r.X = r.A
		} else {
			r.A = r.X
		}
	}
	return 0, true
}

// Result is what a return returns.
func (r *Registers) Result(in *Instruction) uint32 {
	if in.Code&^7 == unix.BPF_A {
		return r.A
	}
	return in.K
}

// known is the value of a load that does not look at the input's bytes.
func (r *Registers) known(in *Instruction, length uint32) uint32 {
	switch in.Mode() {
	case unix.BPF_LEN:
		return length
	case unix.BPF_MEM:
		return r.mem[in.K]
	}
	return in.K
}

// operand is the second operand of arithmetic or a jump.
func (r *Registers) operand(in *Instruction) uint32 {
	if in.FromX() {
		return r.X
	}
	return in.K
}

// alu is false for a division by zero.
func (r *Registers) alu(in *Instruction) bool {
	v := r.operand(in)
	switch in.Op() {
	case unix.BPF_ADD:
		r.A += v
	case unix.BPF_SUB:
		r.A -= v
	case unix.BPF_MUL:
		r.A *= v
	case unix.BPF_DIV:
		if v == 0 {
			return false
		}
		r.A /= v
	case unix.BPF_MOD:
		if v == 0 {
			return false
		}
		r.A %= v
	case unix.BPF_OR:
		r.A |= v
	case unix.BPF_AND:
		r.A &= v
	case unix.BPF_XOR:
		r.A ^= v
	case unix.BPF_LSH:
		r.A <<= v & 31
	case unix.BPF_RSH:
		r.A >>= v & 31
	case unix.BPF_NEG:
		r.A = -r.A
	}
	return true
}

// jump returns how many instructions are passed over.
func (r *Registers) jump(in *Instruction) int {
	var yes bool
	switch v := r.operand(in); in.Op() {
	case unix.BPF_JA:
		return int(in.K)
	case unix.BPF_JEQ:
		yes = r.A == v
	case unix.BPF_JGT:
		yes = r.A > v
	case unix.BPF_JGE:
		yes = r.A >= v
	case unix.BPF_JSET:
		yes = r.A&v != 0
	}
	if yes {
		return int(in.Jt)
	}
	return int(in.Jf)
}
