package seccomp

import "golang.org/x/sys/unix"

// Instr is an instruction: struct sock_filter.
type Instr struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// Data is what a filter sees of a call: struct seccomp_data.
type Data struct {
	Nr   int32
	Arch uint32
	IP   uint64
	Args [6]uint64
}

const (
	// MaxInstrs bounds a program (BPF_MAXINSNS).
	MaxInstrs = 4096
	// dataSize is the size of struct seccomp_data, in bytes.
	dataSize = 64
	memWords = 16
)

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

// Program is a checked program.
type Program struct{ code []Instr }

// Len returns the number of instructions.
func (p *Program) Len() int { return len(p.code) }

// Instrs returns them. They must not be changed.
func (p *Program) Instrs() []Instr { return p.code }

// cost is how long Linux's translation of the program is, which is what Linux
// bounds: three instructions before it, and for one here one or more there.
func (p *Program) cost() int {
	const prologue = 3
	n := prologue + len(p.code)
	for _, in := range p.code {
		switch {
		case in.Code == retK:
			n++ // the value is loaded first
		case in.class() != unix.BPF_JMP || in.Code == jmpJA:
		default:
			if in.Jt != 0 && in.Jf != 0 {
				n++ // there are no two targets
			}
			if !in.fromX() && int32(in.K) < 0 {
				n++ // constants are signed
			}
		}
	}
	return n
}

// The codes that a filter may have: the others of classic BPF look at packets.
const (
	ldAbs = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	ldLen = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN
	ldImm = unix.BPF_LD | unix.BPF_IMM
	ldMem = unix.BPF_LD | unix.BPF_MEM

	ldxLen = unix.BPF_LDX | unix.BPF_W | unix.BPF_LEN
	ldxImm = unix.BPF_LDX | unix.BPF_IMM
	ldxMem = unix.BPF_LDX | unix.BPF_MEM

	jmpJA = unix.BPF_JMP | unix.BPF_JA
	retK  = unix.BPF_RET | unix.BPF_K
	retA  = unix.BPF_RET | unix.BPF_A
	aluN  = unix.BPF_ALU | unix.BPF_NEG
	tax   = unix.BPF_MISC | unix.BPF_TAX
	txa   = unix.BPF_MISC | unix.BPF_TXA
)

// class is the kind of an instruction, op what an arithmetic or a jump does.
func (i Instr) class() uint16 { return i.Code & 0x07 }
func (i Instr) op() uint16    { return i.Code & 0xf0 }
func (i Instr) fromX() bool   { return i.Code&unix.BPF_X != 0 }

// Compile checks a program. It is EINVAL if it is none for a filter: then it
// could read elsewhere, or not end.
func Compile(code []Instr) (*Program, error) {
	if len(code) == 0 || len(code) > MaxInstrs {
		return nil, unix.EINVAL
	}
	for pc, in := range code {
		if !valid(in, uint32(len(code)-pc-1)) {
			return nil, unix.EINVAL
		}
	}
	if last := code[len(code)-1]; last.Code != retK && last.Code != retA {
		return nil, unix.EINVAL
	}
	if !initialized(code) {
		return nil, unix.EINVAL
	}
	own := make([]Instr, len(code))
	copy(own, code)
	return &Program{own}, nil
}

// valid checks one instruction that has so many behind it.
func valid(in Instr, behind uint32) bool {
	switch in.Code {
	case ldAbs:
		return in.K < dataSize && in.K%4 == 0
	case ldLen, ldxLen, ldImm, ldxImm, retK, retA, aluN, tax, txa:
		return true
	case ldMem, ldxMem, unix.BPF_ST, unix.BPF_STX:
		return in.K < memWords
	case jmpJA:
		return in.K < behind
	}
	switch in.class() {
	case unix.BPF_ALU:
		return in.Code&^(0xf0|unix.BPF_X) == unix.BPF_ALU && validALU(in)
	case unix.BPF_JMP:
		switch in.op() {
		case unix.BPF_JEQ, unix.BPF_JGE, unix.BPF_JGT, unix.BPF_JSET:
			return in.Code&^(0xf0|unix.BPF_X) == unix.BPF_JMP && uint32(in.Jt) < behind && uint32(in.Jf) < behind
		}
	}
	return false
}

func validALU(in Instr) bool {
	switch in.op() {
	case unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_AND, unix.BPF_OR, unix.BPF_XOR:
		return true
	case unix.BPF_DIV:
		return in.fromX() || in.K != 0
	case unix.BPF_LSH, unix.BPF_RSH:
		return in.fromX() || in.K < 32
	}
	return false
}

// initialized reports whether no word of memory is read, on any way through the
// program, that was not written before. Jumps go forward only, so one pass sees
// every way to an instruction before the instruction.
func initialized(code []Instr) bool {
	const all = uint16(0xffff)
	reach := make([]uint16, len(code)+1) // words written on every way to it
	for i := range reach {
		reach[i] = all
	}
	var now uint16
	flow := func(to int, words uint16) { reach[to] &= words }
	for pc, in := range code {
		now &= reach[pc]
		switch {
		case in.Code == unix.BPF_ST || in.Code == unix.BPF_STX:
			now |= 1 << in.K
		case in.Code == ldMem || in.Code == ldxMem:
			if now&(1<<in.K) == 0 {
				return false
			}
		case in.Code == jmpJA:
			flow(pc+1+int(in.K), now)
			now = all
		case in.class() == unix.BPF_JMP:
			flow(pc+1+int(in.Jt), now)
			flow(pc+1+int(in.Jf), now)
			now = all
		}
	}
	return true
}

// Run returns what the program says of d.
func (p *Program) Run(d *Data) uint32 {
	m := machine{data: d}
	ret, _ := m.run(p.code)
	return ret
}

// machine is a run.
type machine struct {
	data *Data
	a, x uint32
	mem  [memWords]uint32
	// numberOnly makes the run end, without a result, at a load of something
	// else than number and architecture.
	numberOnly bool
}

// run executes code, which was checked. It is false if numberOnly ended it.
func (m *machine) run(code []Instr) (ret uint32, ok bool) {
	for pc := 0; ; pc++ {
		in := &code[pc]
		switch in.class() {
		case unix.BPF_LD:
			switch in.Code {
			case ldAbs:
				if m.numberOnly && in.K != offsetNr && in.K != offsetArch {
					return 0, false
				}
				m.a = m.data.load(in.K)
			case ldLen:
				m.a = dataSize
			case ldImm:
				m.a = in.K
			case ldMem:
				m.a = m.mem[in.K]
			}
		case unix.BPF_LDX:
			switch in.Code {
			case ldxLen:
				m.x = dataSize
			case ldxImm:
				m.x = in.K
			case ldxMem:
				m.x = m.mem[in.K]
			}
		case unix.BPF_ST:
			m.mem[in.K] = m.a
		case unix.BPF_STX:
			m.mem[in.K] = m.x
		case unix.BPF_ALU:
			if !m.alu(in) {
				return 0, true // a division by zero: the strictest answer but one
			}
		case unix.BPF_JMP:
			pc += m.jump(in)
		case unix.BPF_RET:
			if in.Code == retA {
				return m.a, true
			}
			return in.K, true
		case unix.BPF_MISC:
			if in.Code == tax {
				m.x = m.a
			} else {
				m.a = m.x
			}
		}
	}
}

// operand is the second operand of in.
func (m *machine) operand(in *Instr) uint32 {
	if in.fromX() {
		return m.x
	}
	return in.K
}

// alu is false for a division by zero.
func (m *machine) alu(in *Instr) bool {
	v := m.operand(in)
	switch in.op() {
	case unix.BPF_ADD:
		m.a += v
	case unix.BPF_SUB:
		m.a -= v
	case unix.BPF_MUL:
		m.a *= v
	case unix.BPF_DIV:
		if v == 0 {
			return false
		}
		m.a /= v
	case unix.BPF_AND:
		m.a &= v
	case unix.BPF_OR:
		m.a |= v
	case unix.BPF_XOR:
		m.a ^= v
	case unix.BPF_LSH:
		m.a <<= v & 31
	case unix.BPF_RSH:
		m.a >>= v & 31
	case unix.BPF_NEG:
		m.a = -m.a
	}
	return true
}

// jump returns how many instructions in skips.
func (m *machine) jump(in *Instr) int {
	var yes bool
	switch v := m.operand(in); in.op() {
	case unix.BPF_JA:
		return int(in.K)
	case unix.BPF_JEQ:
		yes = m.a == v
	case unix.BPF_JGT:
		yes = m.a > v
	case unix.BPF_JGE:
		yes = m.a >= v
	case unix.BPF_JSET:
		yes = m.a&v != 0
	}
	if yes {
		return int(in.Jt)
	}
	return int(in.Jf)
}
