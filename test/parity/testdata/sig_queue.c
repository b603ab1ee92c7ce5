// Queues: standard signals merge, real-time ones do not and come in order.
#include "show.h"

static int count;
static void handler(int s, siginfo_t *i, void *c) {
	(void)c;
	printf("%d: SIG%s code %d value %d ours %d\n", ++count, s >= SIGRTMIN ? "RT" : sigabbrev_np(s), i->si_code, i->si_code == SI_QUEUE ? i->si_value.sival_int : 0, i->si_pid == getpid());
	if (s >= SIGRTMIN)
		printf("   RTMIN+%d\n", s - SIGRTMIN);
}

int main(void) {
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigfillset(&sa.sa_mask);
	int sigs[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2};
	sigset_t set, old, pend;
	sigemptyset(&set);
	for (int i = 0; i < 6; i++) {
		sigaction(sigs[i], &sa, NULL);
		sigaddset(&set, sigs[i]);
	}
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 3; i++) {
		sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i});
		sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 20 + i});
		sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 30 + i});
	}
	kill(getpid(), SIGTERM);
	raise(SIGUSR2);
	kill(getpid(), SIGRTMIN + 2);
	sigpending(&pend);
	printf("pending: %d %d %d %d\n", sigismember(&pend, SIGUSR1), sigismember(&pend, SIGTERM), sigismember(&pend, SIGRTMIN), sigismember(&pend, SIGHUP));
	FORK("not inherited", {
		sigpending(&pend);
		printf("pending in the child: %d\n", sigismember(&pend, SIGUSR1));
	});
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("%d handlers ran\n", count);
	SHOW(kill(getpid(), 0));
	SHOW(kill(getpid(), 65));
	SHOW(kill(1 << 22, 0));
	SHOW(sigqueue(getpid(), -1, (union sigval){0}));
	SHOW(syscall(SYS_rt_sigprocmask, 99, &set, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
	SHOW(sigaction(SIGKILL, &sa, NULL));
	SHOW(sigaction(SIGSTOP, &sa, NULL));
	SHOW(sigaction(65, &sa, NULL));
	// KILL and STOP cannot be blocked.
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigprocmask(SIG_BLOCK, NULL, &set);
	printf("blocked: KILL %d STOP %d HUP %d\n", sigismember(&set, SIGKILL), sigismember(&set, SIGSTOP), sigismember(&set, SIGHUP));
	return 0;
}
