// Sockets that wait: full queues, timeouts, a peer that goes away meanwhile.
#include "show.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static struct sockaddr_un at(const char *name) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s-%d", name, getpid());
	return a;
}

// What others queued is in the way: who waits for that is told of the room.
static void room(void) {
	int st, r = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), full = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	struct sockaddr_un a = at("datagrams"), b = at("connections");
	MUST(bind(r, (void *)&a, sizeof a));
	while (sendto(full, "x", 1, 0, (void *)&a, sizeof a) == 1)
		;
	printf("%s\n", strerrorname_np(errno));
	for (int gone = 0; gone < 2; gone++) {
		pid_t p = fork();
		if (p == 0) {
			close(r);
			alarm(20);
			int s = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
			SHOW(sendto(s, "y", 1, 0, (void *)&a, sizeof a));
			_exit(0);
		}
		ms(100);
		char c;
		if (gone)
			close(r);
		else
			recv(r, &c, 1, 0);
		waitpid(p, &st, 0), show_status("sender", st);
	}
	int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(l, (void *)&b, sizeof b));
	MUST(listen(l, 0));
	do
		full = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	while (!connect(full, (void *)&b, sizeof b));
	printf("%s\n", strerrorname_np(errno));
	for (int gone = 0; gone < 2; gone++) {
		pid_t p = fork();
		if (p == 0) {
			close(l);
			alarm(20);
			SHOW(connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&b, sizeof b));
			_exit(0);
		}
		ms(100);
		if (gone)
			close(l);
		else
			MUST(accept(l, NULL, NULL));
		waitpid(p, &st, 0), show_status("connector", st);
	}
}

int main(void) {
	room();

	int s[2], st;
	char b[65536];
	memset(b, 'b', sizeof b);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	struct timeval tv = {0, 30000}, got;
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	socklen_t n = sizeof got;
	SHOW(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n));
	printf("timeout kept near: %d\n", got.tv_sec == 0 && got.tv_usec >= 28000 && got.tv_usec <= 40000);
	SHOW(recv(s[0], b, 1, 0));
	long total = 0, r;
	while ((r = send(s[0], b, sizeof b, 0)) > 0)
		total += r;
	printf("sending stopped: %s, took some %d\n", strerrorname_np(errno), total > 50000);
	SHOW(poll(&(struct pollfd){.fd = s[0], .events = POLLOUT}, 1, 0));
	pid_t p = fork();
	if (p == 0) {
		close(s[0]);
		long have = 0;
		while ((r = recv(s[1], b, sizeof b, 0)) > 0)
			have += r;
		_exit(have == total + 200000 ? 0 : 1);
	}
	close(s[1]);
	tv = (struct timeval){0, 0};
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	char *big = malloc(200000);
	SHOW(send(s[0], big, 200000, 0));
	SHOW(shutdown(s[0], SHUT_WR));
	waitpid(p, &st, 0), show_status("all arrived", st);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	p = fork();
	if (p == 0) {
		close(s[0]);
		ms(30);
		_exit(0);
	}
	close(s[1]);
	SHOW(recv(s[0], b, 1, 0)); // ends when the peer does
	waitpid(p, &st, 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	p = fork();
	if (p == 0) {
		ms(20), send(s[1], "12345", 5, 0);
		ms(20), send(s[1], "67890", 5, 0);
		_exit(0);
	}
	SHOW(recv(s[0], b, 10, MSG_WAITALL));
	waitpid(p, &st, 0);
	int low = 8;
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &low, sizeof low));
	n = sizeof low;
	SHOW(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &low, &n));
	printf("the least send buffer is more: %d\n", low > 8);
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &low, 2));
	return 0;
}
