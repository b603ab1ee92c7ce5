#include "t.h"

int main(int argc, char **argv) {
	R(setpgid(0, 0) == 0 || errno == EPERM);
	R(setpgid(1 << 21, 0));
	R(setpgid(0, -1));
	CHILD("session", {
		R(setsid() == getpid());
		R(setsid());
		R(getsid(0) == getpid());
		R(getpgrp() == getpid());
		R(setpgid(0, 0));
	});
	pid_t a = fork();
	if (a == 0) {
		pause();
		_exit(0);
	}
	R(setpgid(a, a));
	R(getpgid(a) == a);
	pid_t b = fork();
	if (b == 0) {
		pause();
		_exit(0);
	}
	R(setpgid(b, a));
	R(kill(-a, SIGTERM));
	int s;
	R(waitpid(-a, &s, 0) > 0);
	status("one", s);
	R(waitpid(-a, &s, 0) > 0);
	status("two", s);
	R(waitpid(-a, &s, 0));
	R(kill(-a, 0));
	return 0;
}
