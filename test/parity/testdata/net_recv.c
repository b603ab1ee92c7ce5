// needs: root
#include "net.h"
#include <linux/filter.h>

// How much a receive waits for, whom a connection wakes, what a filter of TCP does,
// and what is left of a connection.

static char b[100];

static void nap(int ms) { usleep(ms * 1000); }

// later has another process write text in pieces of n bytes, and hold its end
// until both have passed.
static int later(int s, const char *text, int n) {
	int p = fork();
	if (p)
		return p;
	for (const char *c = text; *c; c += strnlen(c, n)) {
		nap(150); // a reader that is slow sees the pieces apart still
		write(s, c, strnlen(c, n));
	}
	nap(200);
	_exit(0);
}

// both runs the same on a pair of either family.
static void stream(const char *name, int s, int c) {
	printf("-- %s\n", name);
	setopt(s, SOL_SOCKET, SO_RCVLOWAT, 5);
	int p = later(c, "abcdefgh", 3);
	R(recv(s, b, 100, 0)); // 6
	waitpid(p, 0, 0);
	R(recv(s, b, 1, 0)); // the rest is less than the mark
	R(recv(s, b, 100, MSG_DONTWAIT));
	while (recv(s, b, 100, MSG_DONTWAIT) > 0)
		;
	p = later(c, "abcdefghijk", 4);
	R(read(s, b, 100));
	struct iovec v[2] = {{b, 1}, {b + 1, 2}};
	waitpid(p, 0, 0);
	R(readv(s, v, 2));
	while (recv(s, b, 100, MSG_DONTWAIT) > 0)
		;
	struct timeval short_ = {0, 100000};
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &short_, sizeof short_);
	write(c, "xyz", 3);
	R(recv(s, b, 100, 0)); // 3, when the time is up
	R(recv(s, b, 100, 0)); // EAGAIN
	write(c, "xyz", 3);
	R(recv(s, b, 100, MSG_PEEK | MSG_WAITALL));
	R(recv(s, b, 100, MSG_WAITALL));
	struct timeval never = {0, 0};
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
	setopt(s, SOL_SOCKET, SO_RCVLOWAT, 1);
}

static void peeks(int s, int c) {
	int p = later(c, "abcdefgh", 3);
	R(recv(s, b, 8, MSG_PEEK | MSG_WAITALL));
	R(recv(s, b, 8, MSG_PEEK));
	R(memcmp(b, "abcdefgh", 8));
	R(recv(s, b, 100, 0));
	waitpid(p, 0, 0);
	p = later(c, "abcdefgh", 3);
	R(recv(s, b, 7, MSG_WAITALL));
	R(recv(s, b, 7, MSG_WAITALL | MSG_TRUNC | MSG_DONTWAIT));
	waitpid(p, 0, 0);
	setopt(s, SOL_SOCKET, SO_RCVLOWAT, 50);
	write(c, "xyz", 3);
	nap(50);
	E(s);
	setopt(s, SOL_SOCKET, SO_RCVLOWAT, 3);
	E(s);
	shutdown(c, SHUT_WR);
	setopt(s, SOL_SOCKET, SO_RCVLOWAT, 50);
	R(recv(s, b, 100, MSG_PEEK | MSG_WAITALL)); // no more will come
	R(recv(s, b, 100, 0));
	R(recv(s, b, 100, 0));
}

// herd has processes wait in the same way, and says how many were woken by one
// connection.
static void herd(const char *name, int l, int port, int exclusive, int how) {
	int woken[2], n = 0;
	pipe(woken);
	int p[3];
	for (int i = 0; i < 3; i++)
		if (!(p[i] = fork())) {
			if (how == 0) {
				if (accept(l, 0, 0) >= 0)
					write(woken[1], "x", 1);
				_exit(0);
			}
			int e = epoll_create1(0);
			struct epoll_event ev = {EPOLLIN | exclusive};
			epoll_ctl(e, EPOLL_CTL_ADD, l, &ev);
			if (epoll_wait(e, &ev, 1, 500) == 1)
				write(woken[1], "x", 1);
			nap(600); // its set stays where it is
			_exit(0);
		}
	nap(300);
	int c = dial(SOCK_STREAM, "127.0.0.1", port), d = -1;
	if (how == 0) {
		d = dial(SOCK_STREAM, "127.0.0.1", port);
		nap(200);
		close(woken[1]);
		nonblock(woken[0]);
		n = read(woken[0], b, 10);
		printf("%s: %d of 3 after two\n", name, n);
		close(dial(SOCK_STREAM, "127.0.0.1", port));
	} else
		close(woken[1]);
	for (int i = 0; i < 3; i++)
		waitpid(p[i], 0, 0);
	n = read(woken[0], b, 10);
	printf("%s: %d\n", name, n);
	close(woken[0]), close(c), close(d);
}

static int filter(int s, int accepts) {
	struct sock_filter f = {BPF_RET | BPF_K, 0, 0, accepts};
	struct sock_fprog p = {1, &f};
	return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p);
}

static void filters(void) {
	int l = listening("127.0.0.1", 7020), c = dial(SOCK_STREAM, "127.0.0.1", 7020), s = accept(l, 0, 0);
	R(filter(s, 0));
	write(c, "hello", 5);
	nap(100);
	R(recv(s, b, 100, MSG_DONTWAIT));
	R(setopt(s, SOL_SOCKET, SO_DETACH_FILTER, 0));
	R(recv(s, b, 100, 0)); // it was sent again
	R(filter(s, 35));
	write(c, "hello", 5);
	R(recv(s, b, 2, MSG_WAITALL)); // the first three came through
	R(setopt(s, SOL_SOCKET, SO_DETACH_FILTER, 0));
	R(recv(s, b, 3, MSG_WAITALL));
	close(c), close(s);
	// Only who comes from port 7021: the source's is the first word of a segment.
	struct sock_filter f[] = {
		{BPF_LD | BPF_H | BPF_ABS, 0, 0, 0}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 7021}, {BPF_RET | BPF_K, 0, 0, -1}, {BPF_RET | BPF_K, 0, 0, 0}};
	struct sock_fprog p = {4, f};
	R(setsockopt(l, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p));
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7020);
	int x = bound(SOCK_STREAM, "127.0.0.1", 7022), y = bound(SOCK_STREAM, "127.0.0.1", 7021);
	nonblock(x);
	R(connect(x, &a.sa, n));
	R(connect(y, &a.sa, n));
	nap(100);
	E(x);
	E(l);
	close(x), close(y), close(l);
}

// rest shows what /proc/net says of connections in TIME_WAIT.
static void rest(const char *file, const char *ip) {
	int l = listening(ip, 7030), c = dial(SOCK_STREAM, ip, 7030), s = accept(l, 0, 0);
	close(s);
	until(c, POLLIN);
	close(c), close(l);
	nap(50);
	char path[100], line[1000], f[20][80];
	sprintf(path, "/proc/self/net/%s", file);
	FILE *t = fopen(path, "r");
	while (fgets(line, sizeof line, t)) {
		int k = 0;
		for (char *w = strtok(line, " \n"); w && k < 20; w = strtok(0, " \n"))
			strcpy(f[k++], w);
		if (strcmp(f[3], "06") || !strstr(f[1], ":1B76"))
			continue;
		printf("%s: %s %s %s %.2s %s %s %s %s %s\n", file, f[1], f[4], f[3], f[5], f[6], f[7], f[8], f[9], f[10]);
	}
	fclose(t);
}

static void tcp_part(void) {
	int l = listening("127.0.0.1", 7010), c = dial(SOCK_STREAM, "127.0.0.1", 7010), s = accept(l, 0, 0);
	stream("tcp", s, c);
	close(c), close(s), close(l);
}

static void peeks_part(void) {
	int l = listening("127.0.0.1", 7014), c = dial(SOCK_STREAM, "127.0.0.1", 7014), s = accept(l, 0, 0);
	peeks(s, c);
	close(c), close(s), close(l);
}

static void unix_part(void) {
	int p[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	stream("unix", p[0], p[1]);
	close(p[0]), close(p[1]);
}

static void accept_part(void) { herd("accept", listening("127.0.0.1", 7011), 7011, 0, 0); }

static void exclusive_part(void) { herd("EPOLLEXCLUSIVE", listening("127.0.0.1", 7012), 7012, EPOLLEXCLUSIVE, 1); }

static void epoll_part(void) { herd("epoll", listening("127.0.0.1", 7013), 7013, 0, 1); }

static void rest_part(void) {
	rest("tcp", "127.0.0.1");
	rest("tcp6", "::1");
}

// Most of the time is spent waiting: all parts wait at once, and are shown in order.
int main() {
	fresh();
	void (*parts[])(void) = {tcp_part, peeks_part, unix_part, accept_part, exclusive_part, epoll_part, filters, rest_part};
	enum { N = sizeof parts / sizeof *parts };
	int out[N][2];
	fflush(stdout);
	for (int i = 0; i < N; i++) {
		pipe(out[i]);
		if (fork()) {
			close(out[i][1]);
			continue;
		}
		dup2(out[i][1], 1);
		parts[i]();
		fflush(stdout);
		_exit(0);
	}
	for (int i = 0; i < N; i++) {
		char text[4096];
		for (int n; (n = read(out[i][0], text, sizeof text)) > 0;)
			fwrite(text, 1, n, stdout);
		close(out[i][0]);
		wait(0);
	}
}
