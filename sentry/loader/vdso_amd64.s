// The code of the vDSO. It runs in guests, not here: vdso.go copies these bytes
// into an ELF image. So it is position independent, calls nothing, uses no
// stack but the return address, and keeps to the C calling convention: arguments
// in DI, SI; result in AX; R8–R11, CX and DX are free.
//
// Each function reaches the data page by LEAQ disp(IP), R8, whose displacement
// is the marker 0x5A5A5A5A until vdso.go sets it. Layout of the data page: see
// vdsoData.

#include "textflag.h"

#define DATA_TO_R8 \
	BYTE $0x4C; BYTE $0x8D; BYTE $0x05; LONG $0x5A5A5A5A

#define SEQ 0
#define CPUS 4
#define TSC 8
#define MULT 16
#define BASES 24

// Nanoseconds of the clock whose base is at R10 come to AX; the data page is at
// R8. Clobbers CX, DX, R9.
#define NANOS(retry, forward) \
retry: \
	MOVL SEQ(R8), R9; \
	TESTL $1, R9; \
	JNE retry; \
	LFENCE; \
	RDTSC; \
	SHLQ $32, DX; \
	ORQ DX, AX; \
	SUBQ TSC(R8), AX; \
	JCC forward; \
	XORL AX, AX; \
forward: \
	MULQ MULT(R8); \
	SHRQ $32, AX; \
	SHLQ $32, DX; \
	ORQ DX, AX; \
	ADDQ (R10), AX; \
	CMPL SEQ(R8), R9; \
	JNE retry

// int clock_gettime(clockid_t clock, struct timespec *ts)
TEXT ·vdsoClockGettime(SB), NOSPLIT|NOFRAME, $0
	DATA_TO_R8
	CMPQ MULT(R8), $0
	JEQ trap
	LEAQ BASES(R8), R10
	CMPL DI, $0 // CLOCK_REALTIME
	JEQ known
	CMPL DI, $5 // CLOCK_REALTIME_COARSE
	JEQ known
	ADDQ $8, R10
	CMPL DI, $1 // CLOCK_MONOTONIC
	JEQ known
	CMPL DI, $6 // CLOCK_MONOTONIC_COARSE
	JEQ known
	ADDQ $8, R10
	CMPL DI, $7 // CLOCK_BOOTTIME
	JEQ known
	ADDQ $8, R10
	CMPL DI, $11 // CLOCK_TAI
	JEQ known
	ADDQ $8, R10
	CMPL DI, $4 // CLOCK_MONOTONIC_RAW
	JNE trap
known:
	NANOS(retry, forward)
	MOVQ $1000000000, CX
	XORL DX, DX
	DIVQ CX
	MOVQ AX, 0(SI)
	MOVQ DX, 8(SI)
	XORL AX, AX
	RET
trap:
	MOVL $228, AX // clock_gettime
	SYSCALL
	RET

// int gettimeofday(struct timeval *tv, struct timezone *tz)
TEXT ·vdsoGettimeofday(SB), NOSPLIT|NOFRAME, $0
	DATA_TO_R8
	CMPQ MULT(R8), $0
	JEQ trap
	TESTQ SI, SI
	JEQ notz
	MOVQ $0, (SI) // minutes west and DST: Linux has kept 0 for long
notz:
	TESTQ DI, DI
	JEQ done
	LEAQ BASES(R8), R10
	NANOS(retry, forward)
	MOVQ $1000000000, CX
	XORL DX, DX
	DIVQ CX
	MOVQ AX, 0(DI)
	MOVQ DX, AX
	MOVQ $1000, CX
	XORL DX, DX
	DIVQ CX
	MOVQ AX, 8(DI)
done:
	XORL AX, AX
	RET
trap:
	MOVL $96, AX // gettimeofday
	SYSCALL
	RET

// time_t time(time_t *t)
TEXT ·vdsoTime(SB), NOSPLIT|NOFRAME, $0
	DATA_TO_R8
	CMPQ MULT(R8), $0
	JEQ trap
	LEAQ BASES(R8), R10
	NANOS(retry, forward)
	MOVQ $1000000000, CX
	XORL DX, DX
	DIVQ CX
	TESTQ DI, DI
	JEQ done
	MOVQ AX, (DI)
done:
	RET
trap:
	MOVL $201, AX // time
	SYSCALL
	RET

// int getcpu(unsigned *cpu, unsigned *node, void *unused)
TEXT ·vdsoGetcpu(SB), NOSPLIT|NOFRAME, $0
	DATA_TO_R8
	RDTSCP // CX: node << 12 | processor, as Linux sets TSC_AUX
	MOVL CX, AX
	ANDL $0xfff, AX
	SHRL $12, CX
	CMPL AX, CPUS(R8)
	JCC trap // the guest has fewer than the host
	TESTQ DI, DI
	JEQ nocpu
	MOVL AX, (DI)
nocpu:
	TESTQ SI, SI
	JEQ done
	MOVL $0, (SI) // one node
done:
	XORL AX, AX
	RET
trap:
	MOVL $309, AX // getcpu
	SYSCALL
	RET

// int clock_getres(clockid_t clock, struct timespec *res)
TEXT ·vdsoClockGetres(SB), NOSPLIT|NOFRAME, $0
	CMPL DI, $1
	JHI trap // other than CLOCK_REALTIME and CLOCK_MONOTONIC
	TESTQ SI, SI
	JEQ done
	MOVQ $0, 0(SI)
	MOVQ $1, 8(SI)
done:
	XORL AX, AX
	RET
trap:
	MOVL $229, AX // clock_getres
	SYSCALL
	RET

// The end of the code, so that the last function has a size too.
TEXT ·vdsoEnd(SB), NOSPLIT|NOFRAME, $0
	RET

// func vdsoCode() (starts [6]uintptr)
TEXT ·vdsoCode(SB), NOSPLIT, $0-48
	LEAQ ·vdsoClockGettime(SB), AX
	MOVQ AX, starts_0+0(FP)
	LEAQ ·vdsoGettimeofday(SB), AX
	MOVQ AX, starts_1+8(FP)
	LEAQ ·vdsoTime(SB), AX
	MOVQ AX, starts_2+16(FP)
	LEAQ ·vdsoGetcpu(SB), AX
	MOVQ AX, starts_3+24(FP)
	LEAQ ·vdsoClockGetres(SB), AX
	MOVQ AX, starts_4+32(FP)
	LEAQ ·vdsoEnd(SB), AX
	MOVQ AX, starts_5+40(FP)
	RET
