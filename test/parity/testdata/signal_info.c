#include "t.h"

static volatile int seen;

static void on(int s, siginfo_t *i, void *c) {
	printf("signal %d code %d status %d uid %d\n", s, i->si_code, s == SIGCHLD ? i->si_status : 0, i->si_uid);
	fflush(stdout);
	seen = 1;
}

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_NOCLDSTOP};
	sigaction(SIGCHLD, &sa, 0);
	sigaction(SIGUSR1, &sa, 0);
	fflush(stdout);
	pid_t p = fork();
	if (p == 0)
		_exit(3);
	while (!seen)
		msleep(5);
	wait(0);
	seen = 0;
	kill(getpid(), SIGUSR1);
	p = fork();
	if (p == 0)
		pause();
	seen = 0;
	kill(p, SIGTERM);
	while (!seen)
		msleep(5);
	sa.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
	sigaction(SIGCHLD, &sa, 0);
	wait(0);
	p = fork();
	if (p == 0)
		_exit(0);
	R(waitpid(p, 0, 0));
	return 0;
}
