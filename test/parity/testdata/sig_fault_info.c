// siginfo and context of faults; a handler that repairs the cause.
#include "show.h"
#include <ucontext.h>

static char *page;
static int traps;

static void repair(int s, siginfo_t *i, void *c) {
	ucontext_t *u = c;
	printf("SIG%s code %d addr right %d trapno %lld err %llx\n", sigabbrev_np(s), i->si_code, i->si_addr == page + 100, u->uc_mcontext.gregs[REG_TRAPNO], u->uc_mcontext.gregs[REG_ERR] & 7);
	printf("cr2 %d\n", (char *)u->uc_mcontext.gregs[REG_CR2] == page + 100);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void skip(int s, siginfo_t *i, void *c) {
	ucontext_t *u = c;
	int at = i->si_addr == (void *)u->uc_mcontext.gregs[REG_RIP];
	printf("SIG%s code %d at the instruction %d trapno %lld\n", sigabbrev_np(s), i->si_code, at, u->uc_mcontext.gregs[REG_TRAPNO]);
	traps++;
	if (s == SIGILL || s == SIGFPE)
		u->uc_mcontext.gregs[REG_RIP] += 2; // ud2, div ecx
	if (s == SIGSEGV)
		u->uc_mcontext.gregs[REG_RIP] += 1; // hlt
}

int main(void) {
	struct sigaction sa = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, NULL);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[100] = 'r';
	printf("repaired: %c\n", page[100]);
	munmap(page, 4096);
	sa.sa_sigaction = skip;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	__asm__ volatile("ud2");
	__asm__ volatile("xorl %%ecx, %%ecx; movl $1, %%eax; xorl %%edx, %%edx; .byte 0xf7, 0xf1" ::: "eax", "ecx", "edx");
	__asm__ volatile("int3");
	__asm__ volatile("hlt");
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; pushfq; andl $~0x100, (%%rsp); popfq" ::: "memory", "cc");
	printf("traps %d\n", traps);
	// A synchronous fault while its signal is blocked or ignored kills.
	FORK("blocked", {
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGSEGV);
		sigprocmask(SIG_BLOCK, &set, NULL);
		*(volatile char *)0 = 1;
	});
	FORK("ignored", {
		signal(SIGSEGV, SIG_IGN);
		*(volatile char *)0 = 1;
	});
	return 0;
}
