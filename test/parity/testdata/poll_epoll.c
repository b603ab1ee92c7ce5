// epoll: level, edge, one-shot, nesting and errors.
#include "show.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int ep;
static void wait_show(const char *what, int e) {
	struct epoll_event ev[8];
	int n = epoll_wait(e, ev, 8, 0);
	printf("%s: %d", what, n);
	for (int i = 0; i < n; i++)
		printf(" [%x %ld]", ev[i].events, (long)ev[i].data.u64);
	puts("");
}

static int ctl(int op, int fd, unsigned events, long data) {
	struct epoll_event ev = {.events = events, .data.u64 = data};
	return epoll_ctl(ep, op, fd, &ev);
}

int main(void) {
	int p[2], b;
	ep = SHOW(epoll_create1(EPOLL_CLOEXEC));
	SHOW(epoll_create1(99));
	SHOW(epoll_create(0));
	MUST(pipe2(p, O_NONBLOCK));
	SHOW(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT, 2));
	SHOW(ctl(EPOLL_CTL_MOD, 0x7fff, EPOLLIN, 1));
	wait_show("writable", ep);
	SHOW(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
	SHOW(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
	SHOW(ctl(EPOLL_CTL_MOD, p[1], EPOLLOUT, 0));
	wait_show("empty", ep);
	write(p[1], "abcd", 4);
	wait_show("level", ep);
	wait_show("level again", ep);
	SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3));
	wait_show("edge", ep);
	wait_show("edge again", ep);
	write(p[1], "e", 1);
	wait_show("edge after a write", ep);
	read(p[0], &b, 1);
	wait_show("edge after a read", ep);
	SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
	wait_show("one-shot", ep);
	write(p[1], "e", 1);
	wait_show("one-shot spent", ep);
	SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 5));
	wait_show("armed again", ep);
	int outer = MUST(epoll_create1(0)), inner = ep;
	ep = outer;
	SHOW(ctl(EPOLL_CTL_ADD, inner, EPOLLIN, 10));
	wait_show("outer, inner quiet", outer);
	ep = inner;
	SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 6));
	wait_show("outer, inner ready", outer);
	SHOW(ctl(EPOLL_CTL_ADD, outer, EPOLLIN, 7));
	SHOW(ctl(EPOLL_CTL_ADD, inner, EPOLLIN, 7));
	close(p[1]);
	wait_show("hang up", ep);
	char buf[64];
	read(p[0], buf, sizeof buf);
	wait_show("hang up, empty", ep);
	int d = dup(p[0]);
	close(p[0]);
	wait_show("closed but duplicated", ep);
	close(d);
	wait_show("closed", ep);
	int ev = MUST(eventfd(0, EFD_NONBLOCK));
	SHOW(ctl(EPOLL_CTL_ADD, ev, EPOLLIN | EPOLLOUT | EPOLLET, 8));
	wait_show("eventfd", ep);
	eventfd_write(ev, 1);
	wait_show("eventfd written", ep);
	int sv[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	SHOW(ctl(EPOLL_CTL_ADD, sv[0], EPOLLIN | EPOLLRDHUP | EPOLLET, 9));
	shutdown(sv[1], SHUT_WR);
	wait_show("peer shut down", ep);
	close(sv[1]);
	wait_show("peer closed", ep);
	put_file("f", "x");
	SHOW(ctl(EPOLL_CTL_ADD, MUST(open("f", O_RDONLY)), EPOLLIN, 0));
	SHOW(ctl(EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	SHOW(epoll_wait(ep, (void *)buf, 0, 0));
	SHOW(epoll_wait(0x7fff, (void *)buf, 1, 0));
	SHOW(epoll_wait(sv[0], (void *)buf, 1, 0));
	SHOW(epoll_wait(ep, (void *)buf, 4, 10));
	pid_t c = fork();
	if (c == 0) {
		ms(30);
		eventfd_write(ev, 5);
		_exit(0);
	}
	SHOW(epoll_wait(ep, (void *)buf, 4, 5000));
	waitpid(c, NULL, 0);
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
	for (unsigned i = 0; i < sizeof devices / sizeof devices[0]; i++)
		SHOW(ctl(EPOLL_CTL_ADD, MUST(open(devices[i], O_RDONLY)), EPOLLIN, 0));
	return 0;
}
