package bpf

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func stmt(code uint16, k uint32) Instruction { return Instruction{Code: code, K: k} }

// bytes is a program in memory.
func bytes(code []Instruction) []byte { return (&Program{code}).Bytes() }

// host is a pair of sockets of the host's, whose filter does what the host's
// kernel makes of a program.
type host struct{ from, to int }

func newHost(t testing.TB) *host {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return &host{fds[0], fds[1]}
}

// attach tells whether the host takes a program.
func (h *host) attach(code []Instruction) error {
	f := unix.SockFprog{Len: uint16(len(code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	return unix.SetsockoptSockFprog(h.to, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f)
}

// accepted is how many bytes of a packet come through the attached program.
func (h *host) accepted(t testing.TB, packet []byte) int {
	t.Helper()
	if _, err := unix.Write(h.from, packet); err != nil {
		t.Fatal(err)
	}
	n, _, err := unix.Recvfrom(h.to, make([]byte, len(packet)), 0)
	if err == unix.EAGAIN {
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	return n
}

// check compares the host and the machine: who takes the program, and how much
// of a packet it accepts.
func (h *host) check(t testing.TB, name string, code []Instruction, packet []byte) (taken bool) {
	t.Helper()
	p, err := Parse(bytes(code))
	if theirs := h.attach(code); (theirs == nil) != (err == nil) {
		t.Errorf("%s: %v, the host says %v", name, err, theirs)
		return false
	}
	if err != nil {
		return false
	}
	got := int(min(int64(p.Run(&Packet{Data: packet, Len: len(packet)})), int64(len(packet))))
	if want := h.accepted(t, packet); got != want {
		t.Errorf("%s: %d bytes, %d on the host: %+v", name, got, want, code)
	}
	return true
}

// packetOf makes a packet so long that what a program returns is seen whole.
func packetOf(r *rand.Rand) []byte {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// randomCode makes a program that is mostly one, and returns fewer than 4,096.
func randomCode(r *rand.Rand) []Instruction {
	ops := []uint16{unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_DIV, unix.BPF_MOD, unix.BPF_OR, unix.BPF_AND, unix.BPF_XOR, unix.BPF_LSH, unix.BPF_RSH, unix.BPF_NEG}
	tests := []uint16{unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET}
	sizes := []uint16{unix.BPF_W, unix.BPF_H, unix.BPF_B}
	source := func() uint16 { return uint16(r.IntN(2)) * unix.BPF_X }
	number := func() uint32 {
		switch r.IntN(4) {
		case 0:
			return r.Uint32()
		case 1:
			return -r.Uint32N(8192)
		}
		return r.Uint32N(64)
	}
	var code []Instruction
	for i := range MemWords {
		code = append(code, stmt(unix.BPF_ST, uint32(i)))
	}
	n := 1 + r.IntN(40)
	for i := range n {
		behind := uint8(n - i)
		var in Instruction
		switch r.IntN(12) {
		case 0:
			in = stmt(unix.BPF_LD|unix.BPF_IMM, number())
		case 1:
			in = stmt(unix.BPF_LDX|unix.BPF_IMM, number())
		case 2:
			in = stmt(unix.BPF_LD|unix.BPF_ABS|sizes[r.IntN(3)], r.Uint32N(4090))
		case 3:
			in = stmt(unix.BPF_LD|unix.BPF_IND|sizes[r.IntN(3)], number()&0x7ffff)
		case 4:
			in = stmt(unix.BPF_LDX|unix.BPF_MSH|unix.BPF_B, r.Uint32N(4096))
		case 5:
			in = stmt([]uint16{unix.BPF_LD | unix.BPF_MEM, unix.BPF_LDX | unix.BPF_MEM, unix.BPF_ST, unix.BPF_STX}[r.IntN(4)], r.Uint32N(MemWords))
		case 6:
			in = stmt([]uint16{unix.BPF_LD | unix.BPF_LEN, unix.BPF_LDX | unix.BPF_LEN, unix.BPF_MISC | unix.BPF_TAX, unix.BPF_MISC | unix.BPF_TXA}[r.IntN(4)], 0)
		case 7:
			in = Instruction{Code: unix.BPF_JMP | tests[r.IntN(4)] | source(), Jt: uint8(r.Uint32N(uint32(behind))), Jf: uint8(r.Uint32N(uint32(behind))), K: number()}
		case 8:
			in = stmt(uint16(r.Uint32N(512)), number()) // whatever that is
			if in.Code == unix.BPF_LD|unix.BPF_ABS || in.Class() == unix.BPF_RET {
				in = stmt(unix.BPF_JMP|unix.BPF_JA, r.Uint32N(uint32(behind)))
			}
		default:
			in = stmt(unix.BPF_ALU|ops[r.IntN(len(ops))]|source(), number())
		}
		code = append(code, in)
	}
	return append(code, stmt(unix.BPF_ALU|unix.BPF_AND, 4095), stmt(unix.BPF_RET|unix.BPF_A, 0))
}

// TestAsOnHost has the host's kernel run the same programs.
func TestAsOnHost(t *testing.T) {
	h := newHost(t)
	r := rand.New(rand.NewPCG(1, 2))
	packet := packetOf(r)
	taken := 0
	for i := range 20000 {
		if h.check(t, fmt.Sprint("program ", i), randomCode(r), packet) {
			taken++
		}
		if t.Failed() {
			break
		}
	}
	if taken < 1000 {
		t.Errorf("only %d programs were taken", taken)
	}
}

// TestCodesAsOnHost has the host say of each code whether it is one.
func TestCodesAsOnHost(t *testing.T) {
	h := newHost(t)
	ret := stmt(unix.BPF_RET|unix.BPF_K, 7)
	packet := make([]byte, 64)
	for code := range 0x200 {
		for _, k := range []uint32{0, 1, 15, 16, 31, 32, 60, 64, 1 << 31} {
			for _, more := range []int{1, 2} {
				program := []Instruction{stmt(unix.BPF_ST, 0), {Code: uint16(code), K: k, Jt: 1}, ret, ret}[:2+more]
				h.check(t, fmt.Sprintf("%#x of %d, with %d behind", code, k, more), program, packet)
			}
		}
	}
}

// TestHeaders reads from where headers start, which is before the data.
func TestHeaders(t *testing.T) {
	word := func(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
	p := &Packet{Data: []byte{20, 21, 22, 23, 24, 25, 26, 27}, Len: 8, Before: []byte{10, 11, 12, 13}, Net: -2, Link: -4}
	for _, c := range []struct {
		name string
		code []Instruction
		want uint32
	}{
		{"the network's, across the boundary", []Instruction{stmt(unix.BPF_LD|unix.BPF_ABS, netOffset)}, word([]byte{12, 13, 20, 21})},
		{"the link's", []Instruction{stmt(unix.BPF_LD|unix.BPF_ABS, linkOffset)}, word([]byte{10, 11, 12, 13})},
		{"indirect", []Instruction{stmt(unix.BPF_LDX|unix.BPF_IMM, 2), stmt(unix.BPF_LD|unix.BPF_IND, netOffset)}, word([]byte{20, 21, 22, 23})},
		{"indirect, the sum is what counts", []Instruction{stmt(unix.BPF_LDX|unix.BPF_IMM, netOffset), stmt(unix.BPF_LD|unix.BPF_IND, 3)}, word([]byte{21, 22, 23, 24})},
		{"indirect, out of the area", []Instruction{stmt(unix.BPF_LDX|unix.BPF_IMM, -netOffset&0xffffffff), stmt(unix.BPF_LD|unix.BPF_IND, netOffset+1)}, word([]byte{21, 22, 23, 24})},
		{"past the end", []Instruction{stmt(unix.BPF_LD|unix.BPF_ABS, netOffset+8)}, 0},
		{"before the first byte", []Instruction{stmt(unix.BPF_LDX|unix.BPF_IMM, 0xffffffff), stmt(unix.BPF_LD|unix.BPF_IND, 0)}, 0},
	} {
		program, err := Parse(bytes(append(c.code, stmt(unix.BPF_RET|unix.BPF_A, 0))))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := program.Run(p); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

// FuzzRun: whatever is taken ends after no more steps than it has instructions, says
// the same again, and says it of a packet of which only the beginning is at hand.
func FuzzRun(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(bytes(randomCode(r)), []byte("a packet"), 3, 5)
	}
	f.Fuzz(func(t *testing.T, code, packet []byte, before, near int) {
		p, err := Parse(code)
		if err != nil {
			return
		}
		for i, in := range p.code {
			if in.Class() != unix.BPF_JMP {
				continue
			}
			for _, r := range []Registers{{}, {A: in.K, X: in.K}, {A: ^uint32(0)}, {X: ^uint32(0)}} {
				if skip, ok := r.Step(&in, 0); !ok || skip < 0 || i+1+skip >= len(p.code) {
					t.Fatalf("instruction %d of %d passes over %d", i, len(p.code), skip)
				}
			}
		}
		k := min(max(before, 0), len(packet))
		data := packet[k:]
		pkt := &Packet{Data: data, Len: len(data), Before: packet[:k], Net: -k, Link: -k}
		first := p.Run(pkt)
		if again := p.Run(pkt); first != again {
			t.Errorf("%d, then %d", first, again)
		}
		pkt.Data = data[:min(max(near, 0), len(data))]
		pkt.Tail = func(b []byte, off int) int { return copy(b, data[min(off, len(data)):]) }
		if cut := p.Run(pkt); first != cut {
			t.Errorf("%d, %d when only the first %d bytes are at hand", first, cut, len(pkt.Data))
		}
		if q, err := Parse(p.Bytes()); err != nil || q.Len() != p.Len() {
			t.Errorf("read again: %v", err)
		}
	})
}
