#include "t.h"

int main(int argc, char **argv) {
	int e = epoll_create1(EPOLL_CLOEXEC), p[2];
	pipe(p);
	struct epoll_event v = {EPOLLIN, {.u64 = 5}}, o[4];
	R(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
	R(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
	R(epoll_ctl(e, EPOLL_CTL_DEL, p[1], &v));
	R(epoll_ctl(e, EPOLL_CTL_MOD, p[1], &v));
	R(epoll_ctl(e, EPOLL_CTL_ADD, e, &v));
	R(epoll_ctl(e, EPOLL_CTL_ADD, 99, &v));
	R(epoll_ctl(e, 77, p[0], &v));
	int f = open("/etc/passwd", O_RDONLY);
	R(epoll_ctl(e, EPOLL_CTL_ADD, f, &v));
	R(epoll_wait(e, o, 4, 0));
	write(p[1], "ab", 2);
	R(epoll_wait(e, o, 4, 1000));
	printf("%x %d\n", o[0].events, (int)o[0].data.u64);
	R(epoll_wait(e, o, 4, 0));
	v.events = EPOLLIN | EPOLLET;
	R(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
	R(epoll_wait(e, o, 4, 0));
	R(epoll_wait(e, o, 4, 0));
	write(p[1], "c", 1);
	R(epoll_wait(e, o, 4, 0));
	v.events = EPOLLIN | EPOLLONESHOT;
	R(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
	R(epoll_wait(e, o, 4, 0));
	R(epoll_wait(e, o, 4, 0));
	R(epoll_wait(e, o, 0, 0));
	close(p[1]);
	v.events = 0;
	R(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
	R(epoll_wait(e, o, 4, 0));
	printf("%x\n", o[0].events);
	close(p[0]);
	R(epoll_wait(e, o, 4, 0));
	int n = epoll_create1(0);
	v.events = EPOLLIN;
	R(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
	R(epoll_ctl(n, EPOLL_CTL_ADD, e, &v));
	return 0;
}
