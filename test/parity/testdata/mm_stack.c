// The stack grows on demand, up to its limit, and then SIGSEGV comes on the
// alternate stack.
#include "show.h"
#include <sys/resource.h>

static int deep(int n) {
	volatile char b[4096];
	b[0] = n, b[4095] = n;
	return n == 0 ? 0 : b[0] * 0 + 1 + deep(n - 1);
}

static char alt[65536];

static void overflow(int s) {
	char here;
	printf("caught SIG%s on the alternate stack: %d\n", sigabbrev_np(s), &here >= alt && &here < alt + sizeof alt);
	_exit(5);
}

static volatile int forever = 1;
static int endless(int n) {
	volatile char b[1024];
	b[n & 1023] = n;
	return forever ? endless(n + 1) + b[0] : n;
}

int main(void) {
	struct rlimit r;
	getrlimit(RLIMIT_STACK, &r);
	printf("1500 pages deep: %d\n", deep(1500));
	FORK("small limit", {
		r.rlim_cur = 1 << 20;
		setrlimit(RLIMIT_STACK, &r);
		stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
		SHOW(sigaltstack(&ss, NULL));
		struct sigaction sa = {.sa_handler = overflow, .sa_flags = SA_ONSTACK};
		sigaction(SIGSEGV, &sa, NULL);
		endless(0);
	});
	FORK("without a stack for the handler", {
		r.rlim_cur = 1 << 20;
		setrlimit(RLIMIT_STACK, &r);
		struct sigaction sa = {.sa_handler = overflow};
		sigaction(SIGSEGV, &sa, NULL);
		endless(0);
	});
	return 0;
}
