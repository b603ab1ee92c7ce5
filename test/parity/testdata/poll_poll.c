// poll, ppoll, select, pselect.
#include "show.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

static void one(const char *what, int fd, short events) {
	struct pollfd p = {.fd = fd, .events = events};
	int r = poll(&p, 1, 0);
	printf("%s: %d %x\n", what, r, p.revents);
}

static volatile int got;
static void handler(int s) { got = s; }

int main(void) {
	int p[2], sv[2];
	char b[100];
	MUST(pipe2(p, O_NONBLOCK));
	one("empty pipe", p[0], POLLIN);
	one("write end", p[1], POLLOUT | POLLIN);
	write(p[1], "x", 1);
	one("with a byte", p[0], POLLIN | POLLRDNORM | POLLPRI);
	while (write(p[1], b, sizeof b) > 0)
		;
	one("full", p[1], POLLOUT);
	int full = dup(p[1]);
	close(p[0]);
	one("no reader", full, POLLOUT);
	close(full), close(p[1]);
	one("closed", p[1], POLLIN);
	one("negative", -1, POLLIN);
	MUST(pipe(p));
	close(p[1]);
	one("no writer", p[0], POLLIN);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	one("socket", sv[0], POLLIN | POLLOUT);
	shutdown(sv[1], SHUT_WR);
	one("peer shut down", sv[0], POLLIN | POLLOUT | POLLRDHUP);
	close(sv[1]);
	one("peer gone", sv[0], POLLIN | POLLOUT | POLLRDHUP);
	put_file("f", "x");
	one("file", MUST(open("f", O_RDONLY)), POLLIN | POLLOUT);
	one("/dev/null", MUST(open("/dev/null", O_RDWR)), POLLIN | POLLOUT);
	SHOW(poll(NULL, 0, 10));
	struct rlimit rl;
	getrlimit(RLIMIT_NOFILE, &rl);
	struct pollfd many = {.fd = 0};
	SHOW(poll(&many, rl.rlim_cur + 1, 0));
	fd_set r, w, e;
	MUST(pipe(p));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	SHOW(select(p[1] + 1, &r, &w, &e, &(struct timeval){0, 0}));
	printf("read %d write %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w));
	write(p[1], "x", 1);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	struct timeval tv = {5, 0};
	SHOW(select(p[1] + 1, &r, &w, NULL, &tv));
	printf("time left %d\n", tv.tv_sec >= 4);
	FD_SET(60, &r);
	SHOW(select(61, &r, NULL, NULL, &tv));
	SHOW(select(-1, NULL, NULL, NULL, &tv));
	tv = (struct timeval){-1, 0};
	SHOW(select(0, NULL, NULL, NULL, &tv));
	tv = (struct timeval){0, 20000};
	SHOW(select(0, NULL, NULL, NULL, &tv));
	printf("used up %ld %ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	sigset_t blocked, none;
	sigemptyset(&none), sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	SHOW(ppoll(NULL, 0, &(struct timespec){5, 0}, &none));
	printf("handled %d\n", got == SIGUSR1);
	got = 0;
	raise(SIGUSR1);
	SHOW(pselect(0, NULL, NULL, NULL, &(struct timespec){5, 0}, &none));
	printf("handled %d\n", got == SIGUSR1);
	SHOW(ppoll(NULL, 0, &(struct timespec){0, 2000000000}, NULL));
	struct pollfd two[2] = {{.fd = p[0], .events = POLLIN}, {.fd = p[0], .events = POLLOUT}};
	SHOW(poll(two, 2, -1));
	return 0;
}
