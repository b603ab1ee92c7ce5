#include "t.h"

int main(int argc, char **argv) {
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n;
	R(read(fd, &n, 8));
	struct itimerspec v = {{0, 5000000}, {0, 5000000}}, o;
	R(timerfd_settime(fd, 0, &v, 0));
	msleep(60);
	R(read(fd, &n, 8));
	printf("%d\n", n >= 5);
	R(read(fd, &n, 4));
	R(timerfd_gettime(fd, &o));
	printf("%d\n", o.it_interval.tv_nsec);
	struct pollfd p = {fd, POLLIN};
	R(poll(&p, 1, 1000));
	struct itimerspec off = {{0, 0}, {0, 0}};
	R(timerfd_settime(fd, 0, &off, 0));
	R(timerfd_create(55, 0));
	R(timerfd_create(CLOCK_MONOTONIC, 0x1234));
	R(timerfd_settime(0, 0, &off, 0));
	return 0;
}
