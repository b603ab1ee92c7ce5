// AF_UNIX stream sockets: names, listening, connecting, shutting down.
#include "show.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t name(struct sockaddr_un *a, const char *path) {
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(a->sun_path, path, path[0] ? strlen(path) : 1 + strlen(path + 1));
	return offsetof(struct sockaddr_un, sun_path) + (path[0] ? strlen(path) + 1 : 1 + strlen(path + 1));
}

int main(void) {
	struct sockaddr_un a;
	char b[64] = {0};
	int l = SHOW(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	SHOW(listen(l, 5));
	socklen_t n = name(&a, "sock");
	int c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(connect(c, (void *)&a, n));
	SHOW(bind(l, (void *)&a, n));
	SHOW(bind(l, (void *)&a, n));
	SHOW(bind(c, (void *)&a, n));
	SHOW(connect(c, (void *)&a, n));
	SHOW(accept(l, NULL, NULL));
	SHOW(listen(l, 1));
	SHOW(connect(c, (void *)&a, n));
	SHOW(connect(c, (void *)&a, n));
	struct sockaddr_un got;
	socklen_t len = sizeof got;
	int s = SHOW(accept4(l, (void *)&got, &len, SOCK_NONBLOCK));
	printf("peer's name: length %u\n", len);
	len = sizeof got;
	SHOW(getsockname(l, (void *)&got, &len));
	printf("%s %u\n", got.sun_path, len);
	len = sizeof got;
	SHOW(getpeername(c, (void *)&got, &len));
	printf("%s\n", got.sun_path);
	SHOW(getpeername(l, (void *)&got, &len));
	SHOW(recv(s, b, 10, 0));
	SHOW(send(c, "hello world", 11, 0));
	SHOW(recv(s, b, 5, MSG_PEEK));
	SHOW(recv(s, b, 5, 0));
	int k;
	SHOW(ioctl(s, FIONREAD, &k));
	printf("left %d\n", k);
	SHOW(recv(s, b, 64, MSG_WAITALL | MSG_DONTWAIT));
	SHOW(send(s, "x", 1, MSG_OOB) == -1 || 1);
	SHOW(shutdown(c, SHUT_WR));
	SHOW(send(c, "x", 1, MSG_NOSIGNAL));
	b[0] = 0;
	while (recv(s, b, 64, 0) > 0)
		;
	SHOW(recv(s, b, 64, 0));
	SHOW(shutdown(s, 7));
	SHOW(close(s));
	SHOW(recv(c, b, 64, MSG_DONTWAIT) >= 0);
	FORK("SIGPIPE", send(c, "x", 1, 0));
	struct stat st;
	SHOW(stat("sock", &st));
	printf("mode %o\n", st.st_mode & S_IFMT);
	SHOW(open("sock", O_RDWR));
	SHOW(unlink("sock"));
	int c2 = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(connect(c2, (void *)&a, n));
	put_file("plain", "");
	n = name(&a, "plain");
	SHOW(connect(c2, (void *)&a, n));
	n = name(&a, "\0abstract-parity");
	SHOW(bind(c2, (void *)&a, n));
	SHOW(listen(c2, 0));
	int c3 = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	SHOW(connect(c3, (void *)&a, n));
	int c4 = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	SHOW(connect(c4, (void *)&a, n));
	int d = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	SHOW(connect(d, (void *)&a, n));
	close(c2);
	SHOW(recv(c3, b, 1, 0));
	int e = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	a = (struct sockaddr_un){.sun_family = AF_UNIX};
	SHOW(bind(e, (void *)&a, sizeof(sa_family_t)));
	len = sizeof got;
	getsockname(e, (void *)&got, &len);
	printf("autobind: length %u\n", len);
	SHOW(socket(AF_UNIX, SOCK_RAW + 20, 0));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 99));
	SHOW(socket(99, SOCK_STREAM, 0));
	SHOW(bind(e, (void *)&a, 1));
	a.sun_family = 77;
	SHOW(connect(e, (void *)&a, sizeof a));
	SHOW(send(e, "x", 1, 0));
	SHOW(connect(0, (void *)&a, sizeof a));
	int v = 0;
	len = sizeof v;
	SHOW(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &len));
	printf("type %d\n", v);
	SHOW(getsockopt(c, SOL_SOCKET, SO_DOMAIN, &v, &len));
	printf("domain %d\n", v);
	SHOW(getsockopt(c, SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
	printf("accepting %d\n", v);
	SHOW(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
	printf("accepting %d\n", v);
	SHOW(getsockopt(c, SOL_SOCKET, 9999, &v, &len));
	SHOW(getsockopt(c, 77, 1, &v, &len));
	struct ucred u;
	len = sizeof u;
	SHOW(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &len));
	printf("peer is us %d\n", u.pid == getpid() && u.uid == getuid());
	return 0;
}
