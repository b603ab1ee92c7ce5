#include "t.h"

static int got[64], count;

static void on(int s) { got[count++] = s; }

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_handler = on};
	sigset_t all, old;
	sigfillset(&all);
	for (int s = 1; s < 65; s++)
		if (s != SIGKILL && s != SIGSTOP && s != 32 && s != 33)
			sigaction(s, &sa, 0);
	sigprocmask(SIG_SETMASK, &all, &old);
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGRTMIN + 3);
	raise(SIGRTMIN + 1);
	raise(SIGRTMIN + 1);
	raise(SIGSEGV);
	sigset_t pend;
	sigpending(&pend);
	for (int s = 1; s < 65; s++)
		if (sigismember(&pend, s))
			printf("pending %d\n", s);
	sigprocmask(SIG_SETMASK, &old, 0);
	for (int i = 0; i < count; i++)
		printf("got %d\n", got[i]);
	return 0;
}
