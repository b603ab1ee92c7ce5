package seccomp

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
)

// The codes that these programs are made of.
const (
	ldLen  = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN
	ldImm  = unix.BPF_LD | unix.BPF_IMM
	ldMem  = unix.BPF_LD | unix.BPF_MEM
	ldxImm = unix.BPF_LDX | unix.BPF_IMM
	ldxMem = unix.BPF_LDX | unix.BPF_MEM
	jmpJA  = unix.BPF_JMP | unix.BPF_JA
	retK   = unix.BPF_RET | unix.BPF_K
	retA   = unix.BPF_RET | unix.BPF_A
	txa    = unix.BPF_MISC | unix.BPF_TXA
)

func stmt(code uint16, k uint32) bpf.Instruction { return bpf.Instruction{Code: code, K: k} }

func jump(op uint16, k uint32, jt, jf uint8) bpf.Instruction {
	return bpf.Instruction{Code: unix.BPF_JMP | op, Jt: jt, Jf: jf, K: k}
}

const (
	allow = unix.SECCOMP_RET_ALLOW
	deny  = unix.SECCOMP_RET_ERRNO | 5
)

func TestCompile(t *testing.T) {
	ret := stmt(retK, allow)
	long := make([]bpf.Instruction, bpf.MaxLen+1)
	for i := range long {
		long[i] = ret
	}
	for _, c := range []struct {
		name string
		code []bpf.Instruction
		ok   bool
	}{
		{"empty", nil, false},
		{"return", []bpf.Instruction{ret}, true},
		{"the longest", long[1:], true},
		{"longer", long, false},
		{"no return", []bpf.Instruction{stmt(ldImm, 1)}, false},
		{"last load", []bpf.Instruction{stmt(ldAbs, 60), ret}, true},
		{"load past the end", []bpf.Instruction{stmt(ldAbs, 64), ret}, false},
		{"load across words", []bpf.Instruction{stmt(ldAbs, 2), ret}, false},
		{"load of a byte", []bpf.Instruction{stmt(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, 0), ret}, false},
		{"indirect load", []bpf.Instruction{stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_IND, 0), ret}, false},
		{"jump to the last", []bpf.Instruction{jump(unix.BPF_JEQ, 0, 0, 1), ret, ret}, true},
		{"jump past the end", []bpf.Instruction{jump(unix.BPF_JEQ, 0, 0, 2), ret, ret}, false},
		{"jump always", []bpf.Instruction{stmt(jmpJA, 1), ret, ret}, true},
		{"jump always past the end", []bpf.Instruction{stmt(jmpJA, 2), ret, ret}, false},
		{"jump backwards", []bpf.Instruction{stmt(jmpJA, 0xffffffff), ret}, false},
		{"divide by zero", []bpf.Instruction{stmt(unix.BPF_ALU|unix.BPF_DIV|unix.BPF_K, 0), ret}, false},
		{"divide by X", []bpf.Instruction{stmt(unix.BPF_ALU|unix.BPF_DIV|unix.BPF_X, 0), ret}, true},
		{"modulo", []bpf.Instruction{stmt(unix.BPF_ALU|0x90, 3), ret}, false},
		{"shift too far", []bpf.Instruction{stmt(unix.BPF_ALU|unix.BPF_LSH, 32), ret}, false},
		{"memory too far", []bpf.Instruction{stmt(unix.BPF_ST, 16), ret}, false},
		{"memory not written", []bpf.Instruction{stmt(ldMem, 3), ret}, false},
		{"memory written", []bpf.Instruction{stmt(unix.BPF_ST, 3), stmt(ldMem, 3), ret}, true},
		{"memory written on one way", []bpf.Instruction{jump(unix.BPF_JEQ, 0, 0, 1), stmt(unix.BPF_ST, 3), stmt(ldxMem, 3), ret}, false},
		{"memory written on both", []bpf.Instruction{jump(unix.BPF_JEQ, 0, 0, 2), stmt(unix.BPF_ST, 3), stmt(jmpJA, 1), stmt(unix.BPF_STX, 3), stmt(ldxMem, 3), ret}, true},
		{"unknown", []bpf.Instruction{stmt(0xffff, 0), ret}, false},
	} {
		_, err := Compile(c.code)
		if (err == nil) != c.ok || err != nil && err != unix.EINVAL {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRun(t *testing.T) {
	d := &Data{Nr: 59, Arch: Arch, IP: 0x1122334455667788, Args: [6]uint64{0xaabbccdd00112233, 0, 0, 0, 0, 0xfedcba9876543210}}
	alu := func(op uint16, a, k uint32) []bpf.Instruction {
		return []bpf.Instruction{stmt(ldImm, a), stmt(unix.BPF_ALU|op, k), stmt(retA, 0)}
	}
	aluX := func(op uint16, a, x uint32) []bpf.Instruction {
		return []bpf.Instruction{stmt(ldImm, a), stmt(ldxImm, x), stmt(unix.BPF_ALU|op|unix.BPF_X, 0), stmt(retA, 0)}
	}
	load := func(k uint32) []bpf.Instruction { return []bpf.Instruction{stmt(ldAbs, k), stmt(retA, 0)} }
	branch := func(op uint16, k uint32) []bpf.Instruction {
		return []bpf.Instruction{stmt(ldAbs, 0), jump(op, k, 0, 1), stmt(retK, 1), stmt(retK, 2)}
	}
	for _, c := range []struct {
		name string
		code []bpf.Instruction
		want uint32
	}{
		{"number", load(0), 59}, {"arch", load(4), Arch}, {"ip low", load(8), 0x55667788}, {"ip high", load(12), 0x11223344},
		{"argument low", load(16), 0x00112233}, {"argument high", load(20), 0xaabbccdd}, {"last high", load(60), 0xfedcba98},
		{"length", []bpf.Instruction{stmt(ldLen, 0), stmt(retA, 0)}, 64},
		{"add", alu(unix.BPF_ADD, 0xffffffff, 2), 1}, {"sub", alu(unix.BPF_SUB, 1, 2), 0xffffffff}, {"mul", alu(unix.BPF_MUL, 7, 6), 42},
		{"div", alu(unix.BPF_DIV, 43, 6), 7}, {"div by 0", aluX(unix.BPF_DIV, 43, 0), 0}, {"and", alu(unix.BPF_AND, 12, 10), 8},
		{"or", alu(unix.BPF_OR, 12, 10), 14}, {"xor", alu(unix.BPF_XOR, 12, 10), 6}, {"lsh", alu(unix.BPF_LSH, 1, 31), 1 << 31},
		{"rsh", aluX(unix.BPF_RSH, 1<<31, 31), 1}, {"neg", alu(unix.BPF_NEG, 1, 0), 0xffffffff},
		{"mem", []bpf.Instruction{stmt(ldImm, 9), stmt(unix.BPF_ST, 15), stmt(ldImm, 0), stmt(ldxMem, 15), stmt(txa, 0), stmt(retA, 0)}, 9},
		{"eq", branch(unix.BPF_JEQ, 59), 1}, {"not eq", branch(unix.BPF_JEQ, 58), 2}, {"gt", branch(unix.BPF_JGT, 59), 2},
		{"ge", branch(unix.BPF_JGE, 59), 1}, {"set", branch(unix.BPF_JSET, 1), 1}, {"not set", branch(unix.BPF_JSET, 4), 2},
	} {
		p, err := Compile(c.code)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := p.Run(d); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

// only returns a program that denies call nr, if its first argument is arg or arg
// is 0, and allows the others.
func only(t *testing.T, nr, arg, answer uint32) *Program {
	t.Helper()
	code := []bpf.Instruction{stmt(ldAbs, offsetNr), jump(unix.BPF_JEQ, nr, 0, 1), stmt(retK, answer), stmt(retK, allow)}
	if arg != 0 {
		code = []bpf.Instruction{stmt(ldAbs, offsetNr), jump(unix.BPF_JEQ, nr, 0, 3), stmt(ldAbs, offsetArgs),
			jump(unix.BPF_JEQ, arg, 0, 1), stmt(retK, answer), stmt(retK, allow)}
	}
	p, err := Compile(code)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFilter(t *testing.T) {
	var none *Filter
	if none.Depth() != 0 || !none.Descends(nil) {
		t.Error("no filter")
	}
	f, err := none.Add(only(t, 1, 0, deny), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Add(only(t, 2, 7, unix.SECCOMP_RET_KILL_PROCESS), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if g.Depth() != 2 || !g.Descends(f) || f.Descends(g) || !f.Descends(nil) {
		t.Error("descent")
	}
	for _, c := range []struct {
		nr    int32
		arg   uint64
		want  uint32
		quick bool
	}{
		{0, 7, allow, true}, {1, 0, deny, false}, {2, 7, unix.SECCOMP_RET_KILL_PROCESS, false}, {2, 8, allow, false}, {511, 0, allow, true}, {512, 0, allow, false},
	} {
		got, log, _ := g.Decide(&Data{Nr: c.nr, Arch: Arch, Args: [6]uint64{c.arg}})
		if got != c.want || log != (c.nr == 2 && c.arg == 7) || g.Allows(uintptr(c.nr)) != c.quick {
			t.Errorf("%d(%d): %#x %v, quick %v", c.nr, c.arg, got, log, g.Allows(uintptr(c.nr)))
		}
	}
	// Strictest first, whatever the order: and among equals the newest's data.
	h, err := g.Add(only(t, 1, 0, deny+1), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := h.Decide(&Data{Nr: 1, Arch: Arch}); got != deny+1 {
		t.Errorf("among equals: %#x", got)
	}
	for err == nil {
		h, err = h.Add(only(t, 3, 0, deny), false, nil)
	}
	if err != unix.ENOMEM {
		t.Error(err)
	}
}

// FuzzProgram: whatever is accepted ends, with what the program returned.
func FuzzProgram(f *testing.F) {
	add := func(code ...bpf.Instruction) {
		var b []byte
		for _, i := range code {
			b = binary.LittleEndian.AppendUint16(b, i.Code)
			b = append(b, i.Jt, i.Jf)
			b = binary.LittleEndian.AppendUint32(b, i.K)
		}
		f.Add(b)
	}
	add(stmt(ldAbs, 0), jump(unix.BPF_JEQ, 1, 0, 1), stmt(retK, 1), stmt(retA, 0))
	add(stmt(unix.BPF_ST, 3), stmt(ldMem, 3), stmt(retA, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		d := &Data{Nr: 1, Arch: Arch, Args: [6]uint64{1, 2, 3, 4, 5, 6}}
		first := p.Run(d)
		if again := p.Run(d); again != first {
			t.Errorf("%#x, then %#x", first, again)
		}
		var none *Filter
		if n, err := none.Add(p, false, nil); err == nil && n.Allows(1) && p.Run(d)&ActionMask != allow {
			t.Error("the quick answer differs")
		}
	})
}
