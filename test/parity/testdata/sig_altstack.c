// sigaltstack: where handlers run, and its errors.
#include "show.h"
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char alt[32768], alt2[32768];
static int depth;

static void handler(int s) {
	char here;
	stack_t ss, no = {.ss_sp = alt2, .ss_size = sizeof alt2};
	sigaltstack(NULL, &ss);
	printf("SIG%s on alt %d, flags %d\n", sigabbrev_np(s), &here >= alt && &here < alt + sizeof alt, ss.ss_flags);
	if (ss.ss_flags & SS_ONSTACK)
		SHOW(sigaltstack(&no, NULL));
	if (depth++ == 0)
		raise(SIGUSR2);
}

int main(void) {
	stack_t ss;
	SHOW(sigaltstack(NULL, &ss));
	printf("at first: flags %d size %zu\n", ss.ss_flags, ss.ss_size);
	ss = (stack_t){.ss_sp = alt, .ss_size = 1000};
	SHOW(sigaltstack(&ss, NULL));
	ss = (stack_t){.ss_sp = alt, .ss_size = sizeof alt, .ss_flags = 77};
	SHOW(sigaltstack(&ss, NULL));
	ss = (stack_t){.ss_sp = alt, .ss_size = sizeof alt};
	SHOW(sigaltstack(&ss, NULL));
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	FORK("child keeps it", { sigaltstack(NULL, &ss); printf("flags %d size %zu\n", ss.ss_flags, ss.ss_size); });
	ss = (stack_t){.ss_flags = SS_DISABLE};
	SHOW(sigaltstack(&ss, NULL));
	sa.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ss = (stack_t){.ss_sp = alt, .ss_size = sizeof alt, .ss_flags = SS_AUTODISARM};
	SHOW(sigaltstack(&ss, NULL));
	depth = 1;
	raise(SIGUSR1);
	sigaltstack(NULL, &ss);
	printf("armed again: %d\n", ss.ss_flags == (int)SS_AUTODISARM);
	return 0;
}
