#include "t.h"

static void on(int s) {
	double z = 99;
	unsigned int csr = 0x1f80;
	__asm__ volatile("movsd %0, %%xmm5\n\tmovsd %0, %%xmm15\n\tldmxcsr %1" ::"m"(z), "m"(csr) : "xmm5", "xmm15");
}

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_handler = on};
	sigaction(SIGUSR1, &sa, 0);
	double a = 1.5, b = 2.25;
	__asm__ volatile("movsd %0, %%xmm5\n\tmovsd %1, %%xmm15" ::"m"(a), "m"(b) : "xmm5", "xmm15");
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	double c, d;
	__asm__ volatile("movsd %%xmm5, %0\n\tmovsd %%xmm15, %1" : "=m"(c), "=m"(d));
	printf("%g %g\n", c, d);
	unsigned int csr = 0x1f80 | 0x6000, now;
	__asm__ volatile("ldmxcsr %0" ::"m"(csr));
	raise(SIGUSR1);
	__asm__ volatile("stmxcsr %0" : "=m"(now));
	printf("%x\n", now & 0x6000);
	return 0;
}
