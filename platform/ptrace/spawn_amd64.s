#include "textflag.h"

// func spawn(flags uintptr, first, end *call) (pid uintptr)
//
// Behind clone the child is alone in a copy of the sentry's memory. It makes
// the calls listed and executes int3, as the loop of stubText does; no Go code
// runs in it and its stack is not touched.
TEXT ·spawn(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ flags+0(FP), DI
	MOVQ first+8(FP), BX
	MOVQ end+16(FP), R12
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX // clone
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, pid+24(FP)
	RET

child:
	CMPQ BX, R12
	JCC  trap
	MOVQ 0(BX), AX
	MOVQ 8(BX), DI
	MOVQ 16(BX), SI
	MOVQ 24(BX), DX
	MOVQ 32(BX), R10
	MOVQ 40(BX), R8
	MOVQ 48(BX), R9
	SYSCALL
	CMPQ AX, $-4096
	JHI  trap
	ADDQ $56, BX
	JMP  child

trap:
	INT $3
	JMP trap
