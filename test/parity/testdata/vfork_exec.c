#include "t.h"

int main(int argc, char **argv) {
	if (argc > 1) {
		printf("child %s %s\n", argv[1], getenv("X") ?: "none");
		return 7;
	}
	fflush(stdout);
	pid_t p = vfork();
	if (p == 0) {
		char *av[] = {"me", "arg", 0}, *ev[] = {"X=1", 0};
		execve("/proc/self/exe", av, ev);
		_exit(1);
	}
	int s;
	waitpid(p, &s, 0);
	status("vfork", s);
	volatile int x = 1;
	p = vfork();
	if (p == 0) {
		x = 2;
		_exit(0);
	}
	waitpid(p, &s, 0);
	printf("%d\n", x);
	return 0;
}
