// sigsuspend, sigtimedwait, sigwaitinfo.
#include "show.h"

static volatile int got;
static void handler(int s) { got = s; }

int main(void) {
	sigset_t set, old;
	siginfo_t i;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	SHOW(sigtimedwait(&set, &i, &(struct timespec){0, 0}));
	SHOW(sigtimedwait(&set, &i, &(struct timespec){0, 1000000}));
	SHOW(sigtimedwait(&set, &i, &(struct timespec){0, -1}));
	raise(SIGUSR1);
	SHOW(sigtimedwait(&set, &i, &(struct timespec){1, 0}));
	printf("code %d ours %d\n", i.si_code, i.si_pid == getpid());
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5});
	SHOW(sigwaitinfo(&set, &i) == SIGRTMIN);
	printf("value %d\n", i.si_value.sival_int);
	pid_t p = fork();
	if (p == 0) {
		ms(20);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	SHOW(sigwaitinfo(&set, &i));
	printf("from the child: %d\n", i.si_pid == p);
	waitpid(p, NULL, 0);
	struct sigaction sa = {.sa_handler = handler};
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	printf("blocked: %d\n", got);
	SHOW(sigsuspend(&old));
	printf("handled in sigsuspend: %d\n", got);
	sigprocmask(SIG_BLOCK, NULL, &old);
	printf("mask is back: %d\n", sigismember(&old, SIGUSR1));
	p = fork();
	if (p == 0) {
		ms(20);
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	SHOW(sigtimedwait(&set, &i, NULL));
	printf("interrupted by %d\n", got == SIGUSR2);
	waitpid(p, NULL, 0);
	SHOW(syscall(SYS_rt_sigtimedwait, &set, NULL, &(struct timespec){0}, 4));
	SHOW(syscall(SYS_rt_sigsuspend, &set, 4));
	return 0;
}
