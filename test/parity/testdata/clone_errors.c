#include "t.h"

int main(int argc, char **argv) {
	R(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
	R(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
	R(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0));
	struct { uint64_t a[11]; } c = {{0}};
	R(syscall(SYS_clone3, &c, 8));
	R(syscall(SYS_clone3, &c, 1 << 20));
	R(syscall(SYS_clone3, 8, 64));
	c.a[4] = 500;
	R(syscall(SYS_clone3, &c, sizeof c));
	c.a[4] = SIGCHLD;
	fflush(stdout);
	long p = syscall(SYS_clone3, &c, sizeof c);
	if (p == 0)
		_exit(11);
	int s;
	waitpid(p, &s, 0);
	status("clone3", s);
	p = syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
	if (p == 0)
		_exit(12);
	signal(SIGUSR1, SIG_IGN);
	R(waitpid(p, &s, 0) == p ? 0 : 1);
	R(waitpid(p, &s, __WALL) == p ? 0 : 1);
	return 0;
}
