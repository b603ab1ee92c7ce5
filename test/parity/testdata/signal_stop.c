#include "t.h"

static void on(int s) {}

int main(int argc, char **argv) {
	pid_t p = fork();
	if (p == 0) {
		setpgid(0, 0); // else the group may be orphaned, and ^Z ignored
		struct sigaction sa = {.sa_handler = on};
		sigaction(SIGCONT, &sa, 0);
		for (;;)
			pause();
	}
	msleep(30);
	int s;
	for (int i = 0; i < 3; i++) {
		int sig = (int[]){SIGSTOP, SIGTSTP, SIGTTIN}[i];
		kill(p, sig);
		waitpid(p, &s, WUNTRACED);
		status("stop", s);
		kill(p, SIGUSR1 * 0 + SIGCONT);
		waitpid(p, &s, WCONTINUED);
		status("cont", s);
		msleep(20);
	}
	kill(p, SIGSTOP);
	waitpid(p, &s, WUNTRACED);
	kill(p, SIGKILL);
	waitpid(p, &s, 0);
	status("killed while stopped", s);
	return 0;
}
