// Many short processes: many COUNT. It waits for a line of input before and
// after, so that somebody can look at the sandbox from outside.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void loop(char *self, long n) {
	for (long i = 0; i < n; i++) {
		pid_t p = fork();
		if (p == 0) {
			execl(self, self, (char *)0);
			_exit(1);
		}
		int s;
		if (waitpid(p, &s, 0) != p || s != 0) {
			puts("a child failed");
			exit(1);
		}
	}
}

int main(int argc, char **argv) {
	if (argc < 2)
		return 0;
	char line[16];
	loop(argv[0], 1000); // until pools and tables have their size
	puts("ready");
	fflush(stdout);
	fgets(line, sizeof line, stdin);
	loop(argv[0], atol(argv[1]));
	puts("done");
	fflush(stdout);
	fgets(line, sizeof line, stdin);
	return 0;
}
