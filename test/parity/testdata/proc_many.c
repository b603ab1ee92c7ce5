// Many children at once, deep trees, and a table of processes that comes back
// empty.
#include "show.h"

static int deep(int n) {
	if (n == 0)
		return 0;
	int st;
	pid_t p = fork();
	if (p == 0)
		_exit(deep(n - 1));
	waitpid(p, &st, 0);
	return WEXITSTATUS(st) + 1;
}

int main(void) {
	int sum = 0, st;
	for (int i = 0; i < 60; i++)
		if (fork() == 0)
			_exit(i);
	while (wait(&st) > 0)
		sum += WEXITSTATUS(st);
	printf("sum %d %s\n", sum, strerrorname_np(errno));
	printf("depth %d\n", deep(25));
	// Each waits for the one before it: a chain through pipes.
	int in = -1, out[2];
	int first[2];
	MUST(pipe(first));
	in = first[0];
	for (int i = 0; i < 20; i++) {
		MUST(pipe(out));
		if (fork() == 0) {
			int v = 0;
			read(in, &v, sizeof v);
			v += i;
			write(out[1], &v, sizeof v);
			_exit(0);
		}
		close(in), close(out[1]);
		in = out[0];
	}
	int v = 1000;
	write(first[1], &v, sizeof v);
	read(in, &v, sizeof v);
	printf("through the chain %d\n", v);
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < 30; i++) {
		pid_t p = fork();
		if (p == 0) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		waitpid(p, &st, 0);
		sum += st;
	}
	printf("exec %d\n", sum);
	return 0;
}
