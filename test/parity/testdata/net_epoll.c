// needs: root
#include "net.h"

// The edges of EPOLLET: an event is told when something happened, not while it
// holds.
static int ep;

static void next(const char *what) {
	struct epoll_event e[8];
	usleep(20000); // what comes over the wire has come
	int n = epoll_wait(ep, e, 8, 0);
	printf("%s:", what);
	for (int c = 'A'; c <= 'z'; c++) // in one order
		for (int i = 0; i < n; i++)
			if (e[i].data.u32 == c)
				printf(" %c=%x", c, e[i].events);
	puts("");
}

static void add(int s, char name) {
	struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.u32 = name}};
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
}

static void story(const char *ip) {
	ep = epoll_create1(0);
	int l = listening(ip, 7000);
	add(l, 'l');
	next("listening");
	int c = dial(SOCK_STREAM, ip, 7000);
	next("connected");
	next("again");
	int d = dial(SOCK_STREAM, ip, 7000);
	next("a second one");
	int s = accept(l, 0, 0);
	next("accepted");
	close(accept(l, 0, 0)), close(d);
	next("accepted both");
	add(s, 's');
	next("added");
	next("again");
	char b[100];
	write(c, "abc", 3);
	next("data");
	next("again");
	write(c, "def", 3);
	next("more data");
	read(s, b, 2);
	next("read some");
	read(s, b, 100);
	next("read all");
	read(s, b, 0);
	write(c, "x", 1);
	next("data again");
	struct epoll_event e = {EPOLLIN | EPOLLET, {.u32 = 'S'}};
	R(epoll_ctl(ep, EPOLL_CTL_MOD, s, &e));
	next("modified");
	R(epoll_ctl(ep, EPOLL_CTL_MOD, s, &e));
	next("modified again");
	read(s, b, 100);
	shutdown(c, SHUT_WR);
	next("half closed");
	next("again");
	close(c);
	write(s, "y", 1);
	next("answered by a reset");
	close(s);
	next("closed");
	close(l), close(ep);
}

static void datagrams() {
	ep = epoll_create1(0);
	int s = bound(SOCK_DGRAM, "127.0.0.1", 7000), c = dial(SOCK_DGRAM, "127.0.0.1", 7000);
	add(s, 's'), add(c, 'c');
	next("added");
	send(c, "x", 1, 0);
	next("sent");
	send(c, "x", 1, 0);
	next("sent another");
	char b[10];
	recv(s, b, 10, 0);
	next("one read");
	recv(s, b, 10, 0);
	close(s);
	send(c, "x", 1, 0);
	next("refused");
	next("again");
	printf("error %d\n", opt(c, SOL_SOCKET, SO_ERROR));
	next("error read");
	close(c), close(ep);
}

static void connecting() {
	ep = epoll_create1(0);
	int l = listening("127.0.0.1", 7000), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	add(c, 'c');
	next("idle");
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7000);
	connect(c, &a.sa, n);
	next("connect");
	next("again");
	close(c);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	add(c, 'c');
	n = in4(&a, "127.0.0.1", 7001);
	next("idle");
	connect(c, &a.sa, n);
	next("refused");
	next("again");
	printf("error %d\n", opt(c, SOL_SOCKET, SO_ERROR));
	next("error read");
	close(c), close(l), close(ep);
}

int main() {
	fresh();
	story("127.0.0.1");
	story("::1");
	datagrams();
	connecting();
}
