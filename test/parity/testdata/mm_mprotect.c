// mprotect and the signals that touching protected memory raises.
#include "show.h"
#include <setjmp.h>

static sigjmp_buf back;
static volatile int code, sig;
static void *volatile addr;

static void caught(int s, siginfo_t *i, void *c) {
	(void)c;
	sig = s, code = i->si_code, addr = i->si_addr;
	siglongjmp(back, 1);
}

static char *base;
#define TRY(name, access)                                                      \
	do {                                                                       \
		sig = 0;                                                               \
		if (!sigsetjmp(back, 1))                                               \
			access;                                                            \
		if (sig)                                                               \
			printf("%s: SIG%s code %d offset %ld\n", name, sigabbrev_np(sig),  \
			       code, (long)((char *)addr - base));                         \
		else                                                                   \
			printf("%s: fine\n", name);                                        \
	} while (0)

int main(void) {
	struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	base = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile char *p = base;
	p[0] = 1;
	SHOW(mprotect(base, 4096, PROT_READ));
	TRY("read of r--", (void)p[5]);
	TRY("write of r--", p[5] = 1);
	SHOW(mprotect(base + 4096, 4096, PROT_NONE));
	TRY("read of ---", (void)p[4096]);
	TRY("write of ---", p[4100] = 2);
	TRY("write of rw-", p[8192] = 2);
	base[8192] = (char)0xc3; // ret
	TRY("run rw-", ((void (*)(void))(base + 8192))());
	SHOW(mprotect(base + 8192, 4096, PROT_READ | PROT_EXEC));
	TRY("run r-x", ((void (*)(void))(base + 8192))());
	SHOW(munmap(base + 12288, 4096));
	TRY("unmapped", (void)p[12288]);
	SHOW(mprotect(base, 16384, PROT_READ | PROT_WRITE));
	TRY("write before the hole", p[0] = 3);
	SHOW(mprotect(base + 1, 4096, PROT_READ));
	SHOW(mprotect(base, 0, PROT_READ));
	SHOW(mprotect(base, 4096, 0x100));
	put_file("f", "x");
	int fd = MUST(open("f", O_RDWR));
	base = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p = base;
	TRY("in the file's page", (void)p[4095]);
	TRY("behind the file's end", (void)p[4096]);
	TRY("write behind the end", p[5000] = 1);
	MUST(ftruncate(fd, 8192));
	TRY("after it grew", (void)p[4096]);
	MUST(ftruncate(fd, 0));
	TRY("after it shrank", (void)p[0]);
	base = NULL;
	TRY("null", *(volatile char *)8 = 1);
	return 0;
}
