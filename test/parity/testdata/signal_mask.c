#include "t.h"

static void on(int s) { printf("handler %d\n", s); }

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_handler = on, .sa_flags = SA_NODEFER | SA_RESETHAND}, o;
	sigaction(SIGUSR1, &sa, 0);
	raise(SIGUSR1);
	sigaction(SIGUSR1, 0, &o);
	printf("%d\n", o.sa_handler == SIG_DFL);
	sigset_t s, r;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	sigaddset(&s, SIGKILL);
	R(sigprocmask(SIG_BLOCK, &s, 0));
	sigprocmask(SIG_BLOCK, 0, &r);
	printf("%d %d\n", sigismember(&r, SIGUSR2), sigismember(&r, SIGKILL));
	R(sigprocmask(77, &s, 0));
	R(sigaction(SIGKILL, &sa, 0));
	R(sigaction(65, &sa, 0));
	R(kill(getpid(), 65));
	R(kill(1 << 21, 0));
	R(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &s, 0, 4));
	siginfo_t i;
	struct timespec t = {0, 10000000};
	R(sigtimedwait(&s, &i, &t));
	raise(SIGUSR2);
	R(sigtimedwait(&s, &i, &t) == SIGUSR2);
	printf("%d %d %d\n", i.si_signo, i.si_code, i.si_pid == getpid());
	union sigval v = {.sival_int = 42};
	R(sigqueue(getpid(), SIGUSR2, v));
	R(sigwaitinfo(&s, &i) == SIGUSR2);
	printf("%d %d\n", i.si_code, i.si_value.sival_int);
	return 0;
}
