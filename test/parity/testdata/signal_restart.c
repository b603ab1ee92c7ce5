#include "t.h"

static void on(int s) { write(1, "alarm\n", 6); }

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_handler = on, .sa_flags = SA_RESTART};
	int p[2];
	pipe(p);
	char c;
	for (int round = 0; round < 2; round++) {
		sigaction(SIGALRM, &sa, 0);
		struct itimerval t = {.it_value = {0, 20000}};
		setitimer(ITIMER_REAL, &t, 0);
		if (fork() == 0) {
			msleep(80);
			write(p[1], "x", 1);
			_exit(0);
		}
		R(read(p[0], &c, 1));
		while (wait(0) < 0)
			;
		sa.sa_flags = 0;
	}
	struct itimerval t = {.it_value = {0, 20000}};
	setitimer(ITIMER_REAL, &t, 0);
	struct timespec d = {5, 0}, rem;
	R(nanosleep(&d, &rem));
	printf("%d\n", rem.tv_sec);
	setitimer(ITIMER_REAL, &t, 0);
	R(poll(0, 0, 5000));
	setitimer(ITIMER_REAL, &t, 0);
	R(pause());
	setitimer(ITIMER_REAL, &t, 0);
	sigset_t none;
	sigemptyset(&none);
	R(sigsuspend(&none));
	return 0;
}
