// Process groups and sessions.
#include "show.h"

int main(void) {
	FORK("in a session of its own", {
		SHOW(setsid() == getpid());
		SHOW(setsid());
		printf("pgid %d sid %d\n", getpgid(0) == getpid(), getsid(0) == getpid());
		SHOW(setpgid(0, 0));
		SHOW(setpgid(0, -1));
		SHOW(getpgid(1 << 22));
		SHOW(getsid(1 << 22));
		int go[2], done[2];
		pipe(go), pipe(done);
		char c = 0;
		pid_t p = fork();
		if (p == 0) {
			read(go[0], &c, 1);
			printf("child: leads its group %d, same session %d\n", getpgrp() == getpid(), getsid(0) == getppid());
			write(done[1], "x", 1);
			pause();
		}
		SHOW(setpgid(p, p));
		SHOW(getpgid(p) == p);
		write(go[1], "x", 1);
		read(done[0], &c, 1);
		pid_t q = fork();
		if (q == 0)
			for (;;)
				pause();
		SHOW(setpgid(q, p));
		SHOW(setpgid(q, 1 << 22));
		SHOW(kill(-p, 0));
		SHOW(kill(-p, SIGTERM));
		int st;
		waitpid(p, &st, 0);
		show_status("p", st);
		SHOW(getpgid(q) == p);
		waitpid(q, &st, 0);
		show_status("q", st);
		SHOW(kill(-p, SIGTERM));
		pid_t r = fork();
		if (r == 0) {
			setsid();
			write(done[1], "x", 1);
			pause();
		}
		read(done[0], &c, 1);
		SHOW(setpgid(r, r));
		SHOW(setpgid(r, getpgrp()));
		kill(r, SIGKILL);
		waitpid(r, &st, 0);
		pid_t e = vfork();
		if (e == 0) {
			execl("/bin/sleep", "sleep", "100", NULL);
			_exit(1);
		}
		ms(100); // vfork returns before exec is over
		SHOW(setpgid(e, e));
		kill(e, SIGKILL);
		waitpid(e, &st, 0);
		show_status("after exec", st);
	});
	return 0;
}
