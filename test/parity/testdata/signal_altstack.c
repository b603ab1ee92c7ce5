#include "t.h"

static char *base;

static void on(int s) {
	char c;
	stack_t o;
	printf("on alternate stack %d\n", &c > base && &c < base + 65536);
	R(sigaltstack(0, &o));
	printf("%d\n", o.ss_flags);
	stack_t x = {.ss_flags = SS_DISABLE};
	R(sigaltstack(&x, 0));
}

int main(int argc, char **argv) {
	stack_t st = {.ss_sp = malloc(65536), .ss_size = 65536}, o;
	base = st.ss_sp;
	R(sigaltstack(0, &o));
	printf("%d\n", o.ss_flags == SS_DISABLE);
	stack_t small = {.ss_sp = base, .ss_size = 10};
	R(sigaltstack(&small, 0));
	R(sigaltstack(&st, 0));
	struct sigaction sa = {.sa_handler = on, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &sa, 0);
	raise(SIGUSR1);
	R(sigaltstack(0, &o));
	printf("%d\n", o.ss_flags);
	return 0;
}
