#include "t.h"

int main(int argc, char **argv) {
	int s;
	siginfo_t i;
	R(waitpid(-1, &s, 0));
	R(waitpid(1 << 21, &s, 0));
	R(waitpid(-1, &s, 0x40000));
	R(waitid(P_ALL, 0, &i, 0));
	pid_t p = fork();
	if (p == 0) {
		raise(SIGSTOP);
		msleep(300); // what it was continued for is asked for meanwhile
		_exit(9);
	}
	R(waitpid(p, &s, WUNTRACED) == p);
	status("stop", s);
	R(waitpid(p, &s, WNOHANG));
	kill(p, SIGCONT);
	R(waitpid(p, &s, WCONTINUED) == p);
	status("cont", s);
	memset(&i, 0, sizeof i);
	R(waitid(P_PID, p, &i, WEXITED | WNOWAIT));
	printf("%d %d %d %d\n", i.si_signo, i.si_code, i.si_status, i.si_pid == p);
	R(waitpid(p, &s, 0) == p);
	status("exit", s);
	R(waitpid(p, &s, 0));
	p = fork();
	if (p == 0)
		_exit(1);
	msleep(200);
	struct rusage u;
	R(wait4(-getpgrp(), &s, WNOHANG, &u) == p);
	return 0;
}
