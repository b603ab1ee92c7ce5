#include "go_asm.h"
#include "textflag.h"

// func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// func xgetbv() (lo, hi uint32)
TEXT ·xgetbv(SB), NOSPLIT, $0-8
	XORL CX, CX
	XGETBV
	MOVL AX, lo+0(FP)
	MOVL DX, hi+4(FP)
	RET

// func fxsave(area *fxsaveArea)
TEXT ·fxsave(SB), NOSPLIT, $0-8
	MOVQ area+0(FP), DI
	LEAQ 15(DI), SI
	ANDQ $~15, SI
	FXSAVE (SI)
	SUBQ DI, SI
	MOVQ SI, fxsaveArea_start(DI)
	RET
