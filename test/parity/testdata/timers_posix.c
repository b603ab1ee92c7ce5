#include "t.h"

static volatile int count;

static void on(int s, siginfo_t *i, void *c) {
	if (count++ == 0)
		printf("%d %d\n", i->si_code == SI_TIMER, i->si_value.sival_int);
}

int main(int argc, char **argv) {
	struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
	sigaction(SIGRTMIN, &sa, 0);
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
	timer_t t;
	R(timer_create(CLOCK_MONOTONIC, &e, &t));
	R(timer_create(999, &e, &t));
	struct itimerspec v = {{0, 10000000}, {0, 10000000}}, o;
	R(timer_settime(t, 0, &v, 0));
	while (count < 3)
		pause();
	R(timer_gettime(t, &o));
	printf("%d %d\n", o.it_interval.tv_nsec, o.it_value.tv_sec);
	R(timer_delete(t));
	R(timer_delete(t));
	struct itimerval i = {{0, 0}, {100, 0}}, j;
	R(setitimer(ITIMER_REAL, &i, 0));
	R(getitimer(ITIMER_REAL, &j));
	printf("%d\n", (int)j.it_value.tv_sec >= 99);
	R(alarm(50));
	R(alarm(0));
	R(setitimer(9, &i, 0));
	return 0;
}
