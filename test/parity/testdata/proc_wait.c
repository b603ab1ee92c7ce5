// wait4 and waitid: who is waited for, states and errors.
#include "show.h"
#include <sys/resource.h>

static pid_t child(int code) {
	pid_t p = fork();
	if (p == 0)
		_exit(code);
	return p;
}

static void info(const char *what, siginfo_t *i, pid_t p) {
	printf("%s: ours %d signo %d code %d status %d\n", what, i->si_pid == p, i->si_signo, i->si_code, i->si_status);
}

int main(void) {
	int st;
	siginfo_t i;
	SHOW(waitpid(-1, &st, 0));
	SHOW(waitpid(getpid(), &st, 0));
	SHOW(waitpid(1 << 22, &st, 0));
	pid_t p = child(3), q = child(4);
	SHOW(waitpid(q, &st, 0) == q);
	show_status("q", st);
	SHOW(waitpid(q, &st, 0));
	memset(&i, 0, sizeof i);
	SHOW(waitid(P_PID, p, &i, WEXITED | WNOWAIT));
	info("nowait", &i, p);
	SHOW(waitid(P_ALL, 0, &i, WEXITED));
	info("all", &i, p);
	p = fork();
	if (p == 0)
		for (;;)
			pause();
	memset(&i, 0, sizeof i);
	SHOW(waitid(P_PID, p, &i, WEXITED | WNOHANG));
	printf("nothing yet: %d\n", i.si_pid);
	kill(p, SIGSTOP);
	SHOW(waitid(P_PID, p, &i, WSTOPPED));
	info("stopped", &i, p);
	kill(p, SIGCONT);
	SHOW(waitid(P_PID, p, &i, WCONTINUED));
	info("continued", &i, p);
	kill(p, SIGSTOP);
	SHOW(waitpid(p, &st, WUNTRACED) == p);
	show_status("wait4", st);
	SHOW(waitpid(p, &st, WUNTRACED | WNOHANG));
	kill(p, SIGCONT);
	SHOW(waitpid(p, &st, WCONTINUED) == p);
	show_status("wait4", st);
	kill(p, SIGKILL);
	SHOW(waitid(P_PID, p, &i, WEXITED));
	info("killed", &i, p);
	SHOW(waitid(P_PID, 0, &i, 0));
	SHOW(waitid(P_PID, 1, &i, WEXITED));
	SHOW(waitid(99, 1, &i, WEXITED));
	SHOW(waitpid(-1, &st, 0x40));
	struct rusage ru;
	p = child(0);
	SHOW(wait4(p, &st, 0, &ru) == p);
	printf("rusage is small: %d\n", ru.ru_utime.tv_sec < 5);
	p = fork();
	if (p == 0) {
		setpgid(0, 0);
		_exit(8);
	}
	setpgid(p, p);
	SHOW(waitpid(0, &st, WNOHANG));
	SHOW(waitpid(-p, &st, 0) == p);
	show_status("group", st);
	signal(SIGCHLD, SIG_IGN);
	p = child(1);
	SHOW(waitpid(p, &st, 0));
	struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	sigaction(SIGCHLD, &sa, NULL);
	p = child(1);
	SHOW(waitpid(-1, &st, 0));
	return 0;
}
