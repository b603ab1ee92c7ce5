package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
)

// Data is what a filter sees of a call: struct seccomp_data.
type Data struct {
	Nr   int32
	Arch uint32
	IP   uint64
	Args [6]uint64
}

// A program has at most MaxLen instructions, which have InstructionSize bytes each
// in memory.
const (
	MaxLen          = bpf.MaxLen
	InstructionSize = bpf.InstructionSize
)

// dataSize is the size of struct seccomp_data, in bytes.
const dataSize = 64

// load returns the 32-bit word at a byte offset that was checked.
func (d *Data) load(off uint32) uint32 {
	switch off {
	case offsetNr:
		return uint32(d.Nr)
	case offsetArch:
		return d.Arch
	case offsetIP:
		return uint32(d.IP)
	case offsetIP + 4:
		return uint32(d.IP >> 32)
	}
	v := d.Args[(off-offsetArgs)/8]
	if off%8 != 0 {
		v >>= 32
	}
	return uint32(v)
}

// The offsets of Data's fields.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetIP   = 8
	offsetArgs = 16
)

// Program is a checked program, immutable.
type Program struct{ code []bpf.Instruction }

// Len returns the number of instructions.
func (p *Program) Len() int { return len(p.code) }

// cost is how long Linux's translation of the program is, which is what Linux
// bounds: three instructions before it, and for one here one or more there.
func (p *Program) cost() int {
	const prologue = 3
	n := prologue + len(p.code)
	for _, in := range p.code {
		switch {
		case in.Code == unix.BPF_RET|unix.BPF_K:
			n++ // the value is loaded first
		case in.Class() != unix.BPF_JMP || in.Op() == unix.BPF_JA:
		default:
			if in.Jt != 0 && in.Jf != 0 {
				n++ // there are no two targets
			}
			if !in.FromX() && int32(in.K) < 0 {
				n++ // constants are signed
			}
		}
	}
	return n
}

// ldAbs is the load of a word of Data, the only one that a filter may have.
const ldAbs = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS

// Parse checks a program that is an array of struct sock_filter in memory: EINVAL
// as for Compile.
func Parse(b []byte) (*Program, error) {
	code, err := bpf.Decode(b)
	if err != nil {
		return nil, err
	}
	return compile(code)
}

// Compile checks a program. It is EINVAL if it is none for a filter: then it
// could read elsewhere, or not end.
func Compile(code []bpf.Instruction) (*Program, error) { return compile(slices.Clone(code)) }

// compile is Compile of code that nobody else has.
func compile(code []bpf.Instruction) (*Program, error) {
	if err := bpf.Check(code); err != nil {
		return nil, err
	}
	for _, in := range code {
		if !allowed(in) {
			return nil, unix.EINVAL
		}
	}
	return &Program{code}, nil
}

// allowed reports whether an instruction of the machine's is one that filters may
// have: the loads of others look at packets, and Linux leaves the remainder out.
func allowed(in bpf.Instruction) bool {
	switch in.Class() {
	case unix.BPF_LD, unix.BPF_LDX:
		switch in.Mode() {
		case unix.BPF_IMM, unix.BPF_LEN, unix.BPF_MEM:
			return true
		}
		return in.Code == ldAbs && in.K < dataSize && in.K%4 == 0
	case unix.BPF_ALU:
		return in.Op() != unix.BPF_MOD
	}
	return true
}

// Run returns what the program says of d.
func (p *Program) Run(d *Data) uint32 {
	ret, _ := p.run(d, false)
	return ret
}

// run executes the program. If numberOnly, it ends without a result, and false,
// at a load of something else than number and architecture.
func (p *Program) run(d *Data, numberOnly bool) (ret uint32, ok bool) {
	var r bpf.Registers
	for pc := 0; ; pc++ {
		in := &p.code[pc]
		switch {
		case in.Class() == unix.BPF_RET:
			return r.Result(in), true
		case in.Code == ldAbs:
			if numberOnly && in.K != offsetNr && in.K != offsetArch {
				return 0, false
			}
			r.A = d.load(in.K)
		default:
			skip, ok := r.Step(in, dataSize)
			if !ok {
				return 0, true // a division by zero: the strictest answer but one
			}
			pc += skip
		}
	}
}
