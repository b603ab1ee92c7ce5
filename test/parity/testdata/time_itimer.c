// setitimer, alarm, timerfd.
#include "show.h"
#include <poll.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static volatile int alarms;
static void handler(int s) { (void)s; alarms++; }

int main(void) {
	struct sigaction sa = {.sa_handler = handler};
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPROF, &sa, NULL);
	sigaction(SIGVTALRM, &sa, NULL);
	struct itimerval it = {{0, 5000}, {0, 5000}}, old;
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	while (alarms < 4)
		pause();
	SHOW(getitimer(ITIMER_REAL, &old));
	printf("interval %ld\n", (long)old.it_interval.tv_usec);
	SHOW(alarm(100));
	SHOW(alarm(0));
	SHOW(setitimer(ITIMER_REAL, NULL, &old));
	printf("off: %ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
	for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
		alarms = 0;
		it = (struct itimerval){{0, 0}, {0, 20000}};
		SHOW(setitimer(which, &it, NULL));
		while (!alarms)
			;
		printf("timer %d counted processor time\n", which);
	}
	SHOW(setitimer(9, &it, NULL));
	it.it_value.tv_usec = 1000000;
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	alarm(1000);
	FORK("not inherited by fork", { getitimer(ITIMER_REAL, &old); printf("%ld\n", (long)old.it_value.tv_sec); });
	FORK("kept by exec", { alarm(1); execl("/bin/sleep", "sleep", "20", NULL); });

	int fd = SHOW(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	uint64_t n = 0, many[16];
	SHOW(read(fd, &n, 8));
	SHOW(read(fd, &n, 7));
	struct itimerspec ts = {{0, 3000000}, {0, 3000000}}, was;
	SHOW(timerfd_settime(fd, 0, &ts, NULL));
	ms(50);
	SHOW(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0));
	SHOW(read(fd, many, 100));
	n = many[0];
	printf("several expirations: %d\n", n >= 10 && n <= 500);
	SHOW(timerfd_gettime(fd, &was));
	printf("interval %ld\n", was.it_interval.tv_nsec);
	ts = (struct itimerspec){.it_value = {0, 1}};
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &ts, NULL));
	SHOW(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1000));
	SHOW(read(fd, &n, 8));
	printf("once: %lu\n", (unsigned long)n);
	SHOW(timerfd_settime(fd, 0, &(struct itimerspec){0}, NULL));
	SHOW(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10));
	SHOW(write(fd, &n, 8));
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	SHOW(timerfd_settime(1, 0, &ts, NULL));
	SHOW(timerfd_settime(fd, 99, &ts, NULL));
	return 0;
}
