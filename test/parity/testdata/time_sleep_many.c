// Sleepers wake in order and none early; timers of children are their own.
#include "show.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>

int main(void) {
	int p[2];
	MUST(pipe(p));
	for (int i = 5; i > 0; i--)
		if (fork() == 0) {
			char c = '0' + i;
			struct timespec a, b;
			clock_gettime(CLOCK_MONOTONIC, &a);
			ms(i * 200); // far apart, for a machine that is busy
			clock_gettime(CLOCK_MONOTONIC, &b);
			long d = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
			write(p[1], d >= i * 200 - 1 ? &c : "E", 1);
			_exit(0);
		}
	close(p[1]);
	char b[16] = {0};
	int n = 0;
	while (n < 15 && read(p[0], b + n, 1) == 1)
		n++;
	printf("order %s\n", b);
	while (wait(NULL) > 0)
		;
	int ep = MUST(epoll_create1(0));
	for (int i = 3; i > 0; i--) {
		int t = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
		struct itimerspec it = {.it_value = {0, i * 40000000}};
		timerfd_settime(t, 0, &it, NULL);
		struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
		epoll_ctl(ep, EPOLL_CTL_ADD, t, &e);
	}
	for (int i = 0; i < 3; i++) {
		struct epoll_event e;
		int r = epoll_wait(ep, &e, 1, 2000);
		printf("timer %u (%d)\n", e.data.u32, r);
	}
	struct epoll_event e;
	SHOW(epoll_wait(ep, &e, 1, 20));
	return 0;
}
