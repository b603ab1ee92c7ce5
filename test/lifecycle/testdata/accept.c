// Takes a connection of each listening socket from descriptor 3 on, and answers it.
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	int v = -1;
	socklen_t vn = sizeof v;
	printf("%d: name %d", fd, getsockname(fd, (struct sockaddr *)&a, &n));
	printf(" family %d, peer %d", a.ss_family, getpeername(fd, (struct sockaddr *)&a, &n));
	printf(", listens %d", getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &vn) ? -1 : v);
	printf(", type %d\n", getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &vn) ? -1 : v);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		struct pollfd p = {fd, POLLIN, 0};
		if (i == 0) // the second one is waited for by accept
			printf("poll %d %#x\n", poll(&p, 1, 20000), p.revents);
		n = sizeof a;
		memset(&a, 0, sizeof a);
		int c = accept4(fd, (struct sockaddr *)&a, &n, SOCK_CLOEXEC);
		if (c < 0) {
			perror("accept");
			return;
		}
		char b[64];
		ssize_t got = recv(c, b, sizeof b, 0);
		printf("from family %d: %.*s\n", a.ss_family, (int)(got < 0 ? 0 : got), b);
		n = sizeof a;
		printf("name %d", getsockname(c, (struct sockaddr *)&a, &n));
		printf(" family %d", a.ss_family);
		n = sizeof a;
		printf(", peer %d", getpeername(c, (struct sockaddr *)&a, &n));
		printf(" family %d\n", a.ss_family);
		dprintf(c, "served by %d\n", fd);
		printf("shutdown %d,", shutdown(c, SHUT_WR));
		printf(" then %zd\n", recv(c, b, sizeof b, 0));
		close(c);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	alarm(60);
	for (int fd = 3; fd < 3 + (argc > 1 ? atoi(argv[1]) : 1); fd++)
		serve(fd);
	return 0;
}
