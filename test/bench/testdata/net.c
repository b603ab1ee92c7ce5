// Both ends of the benchmark's small exchanges.
//
//	net serve PORT            answers each byte with a byte, a process a connection
//	net rr HOST PORT SECONDS  prints microseconds a round trip of one byte
//	net crr HOST PORT SECONDS prints connections a second: connect, a byte each way, close
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
	perror(what);
	exit(1);
}

static struct sockaddr_in at(const char *host, const char *port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die(host);
	return a;
}

static void answer(int c) {
	int one = 1;
	char b[1];
	setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	while (read(c, b, 1) == 1)
		if (write(c, b, 1) != 1)
			break;
	close(c);
}

// Four processes accept; each serves its connection to the end, so that a
// connection a request costs no fork.
static void serve(const char *port) {
	struct sockaddr_in a = at("0.0.0.0", port);
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (s < 0 || bind(s, (void *)&a, sizeof a) || listen(s, 1024))
		die("listen");
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3 && fork(); i++)
		;
	for (;;) {
		int c = accept(s, 0, 0);
		if (c < 0)
			die("accept");
		answer(c);
	}
}

static int dial(struct sockaddr_in a) {
	int one = 1, c = socket(AF_INET, SOCK_STREAM, 0);
	if (c < 0 || connect(c, (void *)&a, sizeof a))
		die("connect");
	setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return c;
}

static void exchange(int c) {
	char b[1] = {'x'};
	if (write(c, b, 1) != 1 || read(c, b, 1) != 1)
		die("exchange");
}

int main(int argc, char **argv) {
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(argv[2]);
	if (argc != 5)
		return 2;
	struct sockaddr_in a = at(argv[2], argv[3]);
	double begin = now(), end = begin + atof(argv[4]);
	long n = 0;
	if (!strcmp(argv[1], "rr")) {
		int c = dial(a);
		for (; now() < end; n++)
			exchange(c);
		printf("%f\n", (now() - begin) / n * 1e6);
		return 0;
	}
	for (; now() < end; n++) {
		int c = dial(a);
		exchange(c);
		// The peer keeps no TIME_WAIT of ours, and we none.
		struct linger l = {1, 0};
		setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof l);
		close(c);
	}
	printf("%f\n", n / (now() - begin));
	return 0;
}
