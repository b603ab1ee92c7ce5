#include "t.h"

#include <setjmp.h>

static volatile char *page;
static sigjmp_buf back;

static void on(int sig, siginfo_t *i, void *c) {
	printf("signal %d code %d offset %ld\n", sig, i->si_code, (long)((char *)i->si_addr - page));
	if (i->si_code == SEGV_MAPERR)
		siglongjmp(back, 1);
	mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
}

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[5] = 1;
	printf("written %d\n", page[5]);
	munmap(page, 4096);
	if (!sigsetjmp(back, 1))
		page[7] = 1;
	puts("done");
	return 0;
}
