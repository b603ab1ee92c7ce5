// Pipes that wait: a full one, an empty one, and who is woken.
#include "show.h"

int main(void) {
	int p[2], back[2], st;
	char b[100000];
	memset(b, 'x', sizeof b);
	MUST(pipe(p)), MUST(pipe(back));
	pid_t c = fork();
	if (c == 0) {
		close(p[0]);
		SHOW(write(p[1], b, sizeof b)); // more than fits
		_exit(0);
	}
	close(p[1]);
	ms(20);
	long total = 0, r;
	while ((r = read(p[0], b, 1000)) > 0)
		total += r;
	printf("total %ld\n", total);
	waitpid(c, &st, 0), show_status("writer", st);
	MUST(pipe(p));
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			char ch;
			close(p[1]);
			_exit(read(p[0], &ch, 1) == 1 ? 1 : 0);
		}
	close(p[0]);
	ms(20);
	write(p[1], "ab", 2);
	close(p[1]);
	int got = 0;
	for (int i = 0; i < 3; i++)
		wait(&st), got += WEXITSTATUS(st);
	printf("readers that got a byte %d\n", got);
	MUST(pipe(p));
	c = fork();
	if (c == 0) {
		close(p[0]);
		for (;;)
			if (write(p[1], b, 4096) < 0)
				_exit(1);
	}
	close(p[1]);
	ms(30);
	close(p[0]); // the sleeping writer gets SIGPIPE
	waitpid(c, &st, 0), show_status("sleeping writer", st);
	MUST(pipe(p));
	c = fork();
	if (c == 0) {
		char line[64];
		close(p[1]);
		for (int i = 0; (r = read(p[0], line, sizeof line)) > 0 && i < 1000; i++)
			write(back[1], line, r);
		_exit(0);
	}
	int right = 0;
	for (int i = 0; i < 1000; i++) {
		char line[64] = {0}, ans[64] = {0};
		int n = snprintf(line, sizeof line, "message %d", i);
		write(p[1], line, n);
		right += read(back[0], ans, sizeof ans) == n && !strcmp(line, ans);
	}
	printf("round trips %d\n", right);
	close(p[1]), close(p[0]);
	waitpid(c, &st, 0), show_status("echo", st);
	return 0;
}
