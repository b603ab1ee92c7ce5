// Floating point and vector registers over system calls and signals.
#include "show.h"
#include <immintrin.h>
#include <sched.h>
#include <sys/time.h>

static volatile int hits;

static void clobber(int s) {
	(void)s;
	hits++;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15; fninit; fld1; fldpi" ::: "memory");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vxorps %%ymm1, %%ymm1, %%ymm1; vxorps %%ymm15, %%ymm15, %%ymm15" ::: "memory");
	unsigned csr = 0x9fc0;
	__asm__ volatile("ldmxcsr %0" ::"m"(csr));
}

// over runs a system call with known registers and says whether they stayed.
static int over_avx(long nr, long a, long b) {
	float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, lo[8], hi[8];
	long r = nr;
	register long r10 __asm__("r10") = 0;
	__asm__ volatile("vmovups %3, %%ymm1; vmovups %3, %%ymm15; syscall; vmovups %%ymm1, %1; vmovups %%ymm15, %2"
	                 : "+a"(r), "=m"(lo), "=m"(hi)
	                 : "m"(in), "D"(a), "S"(b), "d"(0), "r"(r10)
	                 : "rcx", "r11", "memory", "xmm1", "xmm15");
	return !memcmp(lo, in, 32) && !memcmp(hi, in, 32);
}

static int over_sse(long nr, long a, long b) {
	double in[2] = {1.5, -2.25}, lo[2], hi[2];
	long r = nr;
	register long r10 __asm__("r10") = 0;
	__asm__ volatile("movups %3, %%xmm0; movups %3, %%xmm15; syscall; movups %%xmm0, %1; movups %%xmm15, %2"
	                 : "+a"(r), "=m"(lo), "=m"(hi)
	                 : "m"(in), "D"(a), "S"(b), "d"(0), "r"(r10)
	                 : "rcx", "r11", "memory", "xmm0", "xmm15");
	return !memcmp(lo, in, 16) && !memcmp(hi, in, 16);
}

int main(void) {
	int avx = __builtin_cpu_supports("avx") != 0;
	signal(SIGUSR1, clobber);
	long me = getpid();
	printf("sse over getppid %d\n", over_sse(SYS_getppid, 0, 0));
	printf("sse over sched_yield %d\n", over_sse(SYS_sched_yield, 0, 0));
	printf("sse over a signal %d\n", over_sse(SYS_kill, me, SIGUSR1));
	printf("avx over getppid %d\n", !avx || over_avx(SYS_getppid, 0, 0));
	printf("avx over a signal %d\n", !avx || over_avx(SYS_kill, me, SIGUSR1));
	long double pi = 3.14159265358979323846L, back;
	unsigned short cw = 0x0f7f, cw2;
	unsigned csr = 0x7f80, csr2;
	__asm__ volatile("fldcw %2; fldt %3; ldmxcsr %4; mov %5, %%edi; mov %6, %%esi; mov %7, %%eax; syscall; fstpt %0; fnstcw %1"
	                 : "=m"(back), "=m"(cw2)
	                 : "m"(cw), "m"(pi), "m"(csr), "r"((int)me), "i"(SIGUSR1), "i"(SYS_kill)
	                 : "rax", "rcx", "r11", "rdi", "rsi", "memory");
	__asm__ volatile("stmxcsr %0" : "=m"(csr2));
	printf("x87 %d control %x mxcsr %x\n", back == pi, cw2, csr2);
	__asm__ volatile("fninit");
	csr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" ::"m"(csr));
	printf("handlers %d\n", hits);
	// Two processes that share a processor keep theirs apart.
	pid_t p = fork();
	double sum = 0;
	for (int i = 0; i < 2000; i++) {
		sum += p ? 0.5 : 0.25;
		sched_yield();
	}
	if (p == 0)
		_exit(sum == 500 ? 0 : 1);
	int st;
	waitpid(p, &st, 0);
	show_status("child's sum", st);
	printf("parent's sum %d\n", sum == 1000);
	// Interrupted at any instruction.
	struct itimerval it = {{0, 1000}, {0, 1000}};
	signal(SIGALRM, clobber);
	setitimer(ITIMER_REAL, &it, NULL);
	volatile double x = 0;
	for (int i = 0; hits < 20; i++) {
		double y = i & 1023;
		x = y * 0.5 + y * 0.25 - y * 0.75;
		if (x != 0)
			puts("wrong sum");
	}
	return 0;
}
