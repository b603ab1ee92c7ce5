// Orphans: a subreaper gets them, parents change, orphaned stopped groups get
// SIGHUP and SIGCONT.
#include "show.h"
#include <sys/prctl.h>

int main(void) {
	int st, fds[2], v = 0;
	MUST(pipe(fds));
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &v));
	printf("subreaper %d\n", v);
	pid_t me = getpid();
	pid_t p = fork();
	if (p == 0) {
		if (fork() == 0) {
			while (getppid() != me)
				ms(1);
			_exit(33);
		}
		_exit(1);
	}
	waitpid(p, &st, 0);
	show_status("parent", st);
	SHOW(waitpid(-1, &st, 0) > 0);
	show_status("orphan", st);
	SHOW(waitpid(-1, &st, 0));
	FORK("subreaper is not inherited", {
		prctl(PR_GET_CHILD_SUBREAPER, &v);
		printf("child %d\n", v);
	});
	// Death signal of the parent.
	p = fork();
	if (p == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			write(fds[1], "x", 1);
			for (;;)
				pause();
		}
		char c;
		read(fds[0], &c, 1);
		_exit(2);
	}
	waitpid(p, &st, 0);
	show_status("parent", st);
	SHOW(waitpid(-1, &st, 0) > 0);
	show_status("with a death signal", st);
	// A stopped group whose last parent outside ends.
	p = fork();
	if (p == 0) {
		setsid();
		pid_t mid = fork();
		if (mid == 0) {
			pid_t leaf = fork();
			if (leaf == 0) {
				setpgid(0, 0);
				raise(SIGSTOP);
				_exit(0);
			}
			setpgid(leaf, leaf);
			waitpid(leaf, &st, WUNTRACED);
			_exit(0);
		}
		waitpid(mid, &st, 0);
		_exit(0);
	}
	waitpid(p, &st, 0);
	SHOW(waitpid(-1, &st, 0) > 0);
	show_status("orphaned stopped group", st);
	return 0;
}
