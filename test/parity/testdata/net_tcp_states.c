// needs: root
#include "net.h"

// The states of a connection as poll, read and write show them.
static void story(const char *ip) {
	printf("-- %s\n", ip);
	int l = listening(ip, 7000);
	E(l);
	R(accept4(l, 0, 0, SOCK_NONBLOCK | 0x40000000));
	nonblock(l);
	R(accept(l, 0, 0));
	int c = dial(SOCK_STREAM, ip, 7000);
	printf("l %x\n", until(l, POLLIN));
	union addr a;
	socklen_t n = sizeof a;
	int s = accept4(l, &a.sa, &n, SOCK_CLOEXEC);
	printf("accepted %d, family %d, length %d\n", s >= 0, a.sa.sa_family, (int)n);
	printf("flags %x %x\n", fcntl(s, F_GETFD), fcntl(s, F_GETFL));
	E(c);
	E(s);
	char b[100];
	nonblock(s);
	R(read(s, b, 100));
	R(write(c, "hello world", 11));
	printf("s %x\n", until(s, POLLIN));
	E(s);
	R(recv(s, b, 5, MSG_PEEK));
	int q;
	R(ioctl(s, FIONREAD, &q));
	printf("%d\n", q);
	R(read(s, b, 5));
	R(ioctl(s, SIOCINQ, &q));
	printf("%d\n", q);
	R(recv(s, b, 100, MSG_TRUNC));
	E(s);
	R(shutdown(c, SHUT_WR));
	printf("s %x\n", until(s, POLLRDHUP));
	E(s);
	E(c);
	R(read(s, b, 100));
	R(send(c, "x", 1, MSG_NOSIGNAL));
	R(write(s, "answer", 6));
	printf("c %x\n", until(c, POLLIN));
	R(read(c, b, 100));
	R(shutdown(s, SHUT_RDWR));
	printf("c %x\n", until(c, POLLHUP));
	E(c);
	E(s);
	R(read(c, b, 100));
	R(shutdown(c, SHUT_WR));
	R(getpeername(c, &a.sa, &n));
	close(c);
	close(s);
	close(l);
}

static void refused(const char *ip) {
	int s = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	union addr a;
	socklen_t n = to(&a, ip, 7001);
	E(s);
	R(connect(s, &a.sa, n));
	E(s);
	printf("error %d\n", opt(s, SOL_SOCKET, SO_ERROR));
	nonblock(s);
	int r = connect(s, &a.sa, n), e = errno;
	printf("refused %d %s\n", r, strerrorname_np(e));
	until(s, POLLOUT);
	E(s);
	printf("error %d\n", opt(s, SOL_SOCKET, SO_ERROR));
	E(s);
	close(s);
}

static void reset(const char *ip) {
	int l = listening(ip, 7002), c = dial(SOCK_STREAM, ip, 7002), s = accept(l, 0, 0);
	char b[10];
	R(write(c, "unread", 6));
	until(s, POLLIN);
	close(s); // with data unread: a reset
	printf("c %x\n", until(c, POLLHUP));
	E(c);
	R(read(c, b, 10));
	R(read(c, b, 10));
	R(send(c, "x", 1, MSG_NOSIGNAL));
	E(c);
	close(c);
	// SO_LINGER with a time of 0 resets too.
	c = dial(SOCK_STREAM, ip, 7002), s = accept(l, 0, 0);
	struct linger g = {1, 0};
	R(setsockopt(s, SOL_SOCKET, SO_LINGER, &g, sizeof g));
	close(s);
	printf("c %x\n", until(c, POLLHUP));
	printf("error %d\n", opt(c, SOL_SOCKET, SO_ERROR));
	R(read(c, b, 10));
	R(send(c, "x", 1, MSG_NOSIGNAL));
	CHILD("sigpipe", write(c, "x", 1));
	close(c);
	// A connection that waits to be accepted is reset with its listener.
	c = dial(SOCK_STREAM, ip, 7002);
	close(l);
	printf("c %x\n", until(c, POLLHUP));
	R(read(c, b, 10));
	close(c);
}

int main() {
	fresh();
	story("127.0.0.1");
	story("::1");
	refused("127.0.0.1");
	refused("::1");
	reset("127.0.0.1");
	reset("::1");
}
