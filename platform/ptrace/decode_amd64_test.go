package ptrace

import (
	"encoding/hex"
	"strings"
	"testing"

	"hull/sentry/arch"
)

func TestWrites(t *testing.T) {
	const rsp, rdi, rsi = 0x7000, 0x5000, 0x6000
	tests := []struct {
		code string
		addr uint64
		want bool
	}{
		{"48 89 03", 0, true},                   // mov %rax, (%rbx)
		{"48 8b 03", 0, false},                  // mov (%rbx), %rax
		{"48 89 c3", 0, false},                  // mov %rax, %rbx
		{"c6 05 00 10 00 00 01", 0, true},       // movb $1, x(%rip)
		{"66 c7 00 01 00", 0, true},             // movw $1, (%rax)
		{"48 01 18", 0, true},                   // add %rbx, (%rax)
		{"48 03 18", 0, false},                  // add (%rax), %rbx
		{"48 39 18", 0, false},                  // cmp %rbx, (%rax)
		{"48 83 38 01", 0, false},               // cmpq $1, (%rax)
		{"48 83 00 01", 0, true},                // addq $1, (%rax)
		{"f0 48 0f b1 0a", 0, true},             // lock cmpxchg %rcx, (%rdx)
		{"f0 0f c1 02", 0, true},                // lock xadd %eax, (%rdx)
		{"87 02", 0, true},                      // xchg
		{"55", rsp - 8, true},                   // push %rbp
		{"55", rsp - 16, false},                 // not where it pushes
		{"55", rsp, false},                      //
		{"e8 00 00 00 00", rsp - 8, true},       // call
		{"ff 13", rsp - 8, true},                // call *(%rbx), the push
		{"ff 13", 0x100, false},                 // the operand
		{"ff d3", rsp - 8, true},                // call *%rbx
		{"ff 33", 0x100, false},                 // push (%rbx)
		{"48 ff 03", 0, true},                   // incq (%rbx)
		{"48 ff 23", 0, false},                  // jmp *(%rbx)
		{"8f 03", 0x100, true},                  // pop (%rbx)
		{"8f 03", rsp, false},                   //
		{"f3 48 ab", rdi, true},                 // rep stosq
		{"f3 a4", rdi, true},                    // rep movsb
		{"f3 a4", rsi, false},                   //
		{"0f 11 07", 0, true},                   // movups %xmm0, (%rdi)
		{"0f 10 07", 0, false},                  // movups (%rdi), %xmm0
		{"66 0f 7f 07", 0, true},                // movdqa store
		{"66 0f d6 07", 0, true},                // movq store
		{"f3 0f 7e 07", 0, false},               // movq load
		{"66 48 0f 7e 07", 0, true},             // movq %xmm0, (%rdi)
		{"c5 fe 7f 07", 0, true},                // vmovdqu %ymm0, (%rdi)
		{"c5 fe 6f 07", 0, false},               // vmovdqu (%rdi), %ymm0
		{"c4 c1 7e 7f 00", 0, true},             // vmovdqu %ymm0, (%r8)
		{"c4 e2 7d 8c 07", 0, false},            // vpmaskmovd load
		{"62 e1 fe 48 7f 7b 01", 0, true},       // vmovdqu64 %zmm23, 64(%rbx)
		{"62 e1 fe 48 6f 3b", 0, false},         // vmovdqu64 (%rbx), %zmm23
		{"62 f2 7d 48 a0 04 0f", 0, true},       // vpscatterdd
		{"c4 e1 f8 91 9b 80 00 00 00", 0, true}, // kmovq %k3, 128(%rbx)
		{"c4 e1 f8 90 1b", 0, false},            // kmovq (%rbx), %k3
		{"0f ae 07", 0, true},                   // fxsave (%rdi)
		{"0f ae 0f", 0, false},                  // fxrstor (%rdi)
		{"48 0f ae 27", 0, true},                // xsave (%rdi)
		{"0f ae f0", 0, false},                  // mfence
		{"0f 94 00", 0, true},                   // sete (%rax)
		{"f6 18", 0, true},                      // negb (%rax)
		{"f6 00 01", 0, false},                  // testb
		{"d9 38", 0, true},                      // fnstcw
		{"d9 28", 0, false},                     // fldcw
		{"dd 18", 0, true},                      // fstpl
		{"48", 0, false}, {"", 0, false},        // cut off
		{"48 89", 0, false}, {"66 66 66", 0, false}, //
	}
	for _, tt := range tests {
		code, err := hex.DecodeString(strings.ReplaceAll(tt.code, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		regs := arch.Registers{Cs: userCS, Rsp: rsp, Rdi: rdi, Rsi: rsi}
		if got := writes(code, &regs, tt.addr); got != tt.want {
			t.Errorf("writes(%s) at %#x = %v", tt.code, tt.addr, got)
		}
		regs.Cs = userCS32
		if writes(code, &regs, tt.addr) {
			t.Errorf("writes(%s) in 32-bit code", tt.code)
		}
	}
}

func FuzzWrites(f *testing.F) {
	f.Add([]byte{0x62, 0xf2, 0x7d, 0x48, 0xa0, 0x04, 0x0f}, uint64(1))
	f.Fuzz(func(t *testing.T, code []byte, addr uint64) {
		writes(code, &arch.Registers{Cs: userCS, Rsp: addr + 8}, addr)
	})
}
