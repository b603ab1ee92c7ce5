// Stop and continue: SIGCHLD's codes, SA_NOCLDSTOP, pending ones cancelled.
#include "show.h"

static volatile int chld, last_code;
static void on_chld(int s, siginfo_t *i, void *c) {
	(void)s, (void)c;
	chld++;
	last_code = i->si_code;
}
static volatile int conts;
static int handled[2];
static void on_cont(int s) { (void)s; conts++; write(handled[1], "x", 1); }

static void until(volatile int *what, int n) {
	for (int i = 0; i < 2000 && *what < n; i++)
		ms(1);
}

int main(void) {
	struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGCHLD, &sa, NULL);
	int fds[2], st;
	MUST(pipe(fds)), MUST(pipe(handled));
	pid_t p = fork();
	if (p == 0) {
		signal(SIGCONT, on_cont);
		write(fds[1], "x", 1);
		until(&conts, 2);
		printf("child saw SIGCONT %d times\n", conts);
		_exit(0);
	}
	char c;
	read(fds[0], &c, 1);
	kill(p, SIGSTOP);
	until(&chld, 1);
	printf("stop: code %d\n", last_code);
	waitpid(p, &st, WUNTRACED);
	show_status("wait", st);
	kill(p, SIGCONT);
	until(&chld, 2);
	printf("continue: code %d\n", last_code);
	waitpid(p, &st, WCONTINUED);
	show_status("wait", st);
	read(handled[0], &c, 1); // a stop signal would take the SIGCONT away
	kill(p, SIGTSTP);
	until(&chld, 3);
	printf("stop: code %d\n", last_code);
	waitpid(p, &st, WUNTRACED);
	show_status("wait", st);
	kill(p, SIGCONT);
	while (waitpid(p, &st, 0) != p)
		;
	show_status("end", st);
	sa.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	int before = chld;
	p = fork();
	if (p == 0)
		for (;;)
			pause();
	kill(p, SIGSTOP);
	waitpid(p, &st, WUNTRACED);
	printf("no SIGCHLD for stops: %d\n", chld == before);
	kill(p, SIGTERM);
	SHOW(waitpid(p, &st, WNOHANG));
	kill(p, SIGCONT);
	waitpid(p, &st, 0);
	show_status("a stopped process dies when continued", st);
	p = fork();
	if (p == 0)
		for (;;)
			pause();
	kill(p, SIGSTOP);
	waitpid(p, &st, WUNTRACED);
	kill(p, SIGKILL);
	waitpid(p, &st, 0);
	show_status("SIGKILL needs no continuing", st);
	// A stop signal takes a pending SIGCONT away and the reverse.
	sigset_t set, pend;
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTSTP);
	raise(SIGCONT);
	sigpending(&pend);
	printf("TSTP %d CONT %d\n", sigismember(&pend, SIGTSTP), sigismember(&pend, SIGCONT));
	raise(SIGTSTP);
	sigpending(&pend);
	printf("TSTP %d CONT %d\n", sigismember(&pend, SIGTSTP), sigismember(&pend, SIGCONT));
	return 0;
}
