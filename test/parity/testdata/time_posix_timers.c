// POSIX timers: one-shot, interval, overruns, signals and errors.
#include "show.h"

static volatile int fired, value, code, overrun;
static timer_t timer;
static void handler(int s, siginfo_t *i, void *c) {
	(void)s, (void)c;
	fired++, value = i->si_value.sival_int, code = i->si_code;
	overrun = timer_getoverrun(timer);
}

int main(void) {
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGRTMIN, &sa, NULL);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 321};
	SHOW(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	struct itimerspec it = {.it_value = {0, 10000000}}, old;
	SHOW(timer_gettime(timer, &old));
	printf("disarmed: %ld %ld\n", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
	SHOW(timer_settime(timer, 0, &it, NULL));
	while (!fired)
		pause();
	printf("value %d code %d\n", value, code);
	it = (struct itimerspec){{0, 5000000}, {0, 5000000}};
	fired = 0;
	SHOW(timer_settime(timer, 0, &it, NULL));
	while (fired < 5)
		pause();
	SHOW(timer_settime(timer, 0, &(struct itimerspec){0}, &old));
	printf("interval was %ld\n", old.it_interval.tv_nsec);
	// Blocked: one signal, the rest are overruns.
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	it = (struct itimerspec){{0, 2000000}, {0, 2000000}};
	timer_settime(timer, 0, &it, NULL);
	ms(60);
	fired = 0;
	timer_settime(timer, 0, &(struct itimerspec){0}, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("at most one after disarming: %d\n", fired <= 1);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec -= 1;
	fired = 0;
	it = (struct itimerspec){.it_value = now};
	SHOW(timer_settime(timer, TIMER_ABSTIME, &it, NULL));
	while (!fired)
		ms(1);
	puts("a time that has passed fires at once");
	it.it_value.tv_nsec = 1000000000;
	SHOW(timer_settime(timer, 0, &it, NULL));
	it.it_value.tv_nsec = -1;
	SHOW(timer_settime(timer, 0, &it, NULL));
	SHOW(timer_delete(timer));
	timer_t bad = (timer_t)12345L;
	SHOW(syscall(SYS_timer_delete, bad));
	SHOW(syscall(SYS_timer_settime, bad, 0, &it, NULL));
	SHOW(timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = 55}, &timer));
	SHOW(timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99}, &timer));
	SHOW(syscall(SYS_timer_create, 77, NULL, &timer));
	SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &timer));
	FORK("default signal of the default event", {
		timer_create(CLOCK_REALTIME, NULL, &timer);
		it = (struct itimerspec){.it_value = {0, 5000000}};
		timer_settime(timer, 0, &it, NULL);
		for (;;)
			pause();
	});
	return 0;
}
