// AF_UNIX datagrams and sequenced packets: boundaries, truncation, names.
#include "show.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t name(struct sockaddr_un *a, const char *path) {
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(a->sun_path, path);
	return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

int main(void) {
	struct sockaddr_un a, b, from;
	char buf[64] = {0};
	socklen_t an = name(&a, "a"), bn = name(&b, "b"), fn = sizeof from;
	int x = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), y = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	SHOW(bind(x, (void *)&a, an));
	SHOW(sendto(y, "anonymous", 9, 0, (void *)&a, an));
	SHOW(recvfrom(x, buf, 64, 0, (void *)&from, &fn));
	printf("from length %u\n", fn);
	SHOW(bind(y, (void *)&b, bn));
	SHOW(sendto(y, "one", 3, 0, (void *)&a, an));
	SHOW(sendto(y, "", 0, 0, (void *)&a, an));
	SHOW(sendto(y, "three", 5, 0, (void *)&a, an));
	fn = sizeof from;
	SHOW(recvfrom(x, buf, 64, 0, (void *)&from, &fn));
	printf("from %s\n", from.sun_path);
	SHOW(recv(x, buf, 64, 0));
	SHOW(recv(x, buf, 2, MSG_PEEK | MSG_TRUNC));
	struct iovec v = {buf, 2};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	SHOW(recvmsg(x, &m, 0));
	printf("truncated %d\n", (m.msg_flags & MSG_TRUNC) != 0);
	SHOW(recv(x, buf, 64, MSG_DONTWAIT));
	SHOW(send(y, "x", 1, 0));
	SHOW(connect(y, (void *)&a, an));
	SHOW(send(y, "connected", 9, 0));
	SHOW(recv(x, buf, 64, 0));
	SHOW(connect(x, (void *)&b, bn));
	int z = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	SHOW(sendto(z, "x", 1, 0, (void *)&a, an)); // x is connected to y only
	SHOW(connect(x, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
	SHOW(sendto(z, "x", 1, 0, (void *)&a, an));
	SHOW(unlink("a"));
	SHOW(sendto(z, "x", 1, 0, (void *)&a, an));
	SHOW(send(y, "still", 5, 0));
	close(x);
	SHOW(send(y, "gone", 4, 0));
	SHOW(sendto(z, "x", 1, 0, (void *)&a, an));
	int p[2];
	SHOW(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
	int n = 0;
	while (send(p[0], "m", 1, 0) == 1 && n < 100000)
		n++;
	printf("full: %s, some %d\n", strerrorname_np(errno), n >= 10);
	SHOW(recv(p[1], buf, 64, 0));
	SHOW(send(p[0], "again", 5, 0));
	SHOW(listen(p[0], 1));
	SHOW(accept(p[0], NULL, NULL));
	SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	SHOW(send(p[0], "first", 5, 0));
	SHOW(send(p[0], "second", 6, MSG_EOR));
	SHOW(recv(p[1], buf, 3, 0));
	SHOW(recv(p[1], buf, 64, 0));
	shutdown(p[0], SHUT_RDWR);
	SHOW(recv(p[1], buf, 64, 0));
	SHOW(send(p[1], "x", 1, MSG_NOSIGNAL));
	struct mmsghdr mm[3] = {0};
	struct iovec vs[3] = {{"aa", 2}, {"bbb", 3}, {"c", 1}};
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	for (int i = 0; i < 3; i++)
		mm[i].msg_hdr.msg_iov = &vs[i], mm[i].msg_hdr.msg_iovlen = 1;
	SHOW(sendmmsg(p[0], mm, 3, 0));
	printf("lengths %u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	char in[3][8];
	for (int i = 0; i < 3; i++)
		vs[i] = (struct iovec){in[i], 8};
	SHOW(recvmmsg(p[1], mm, 3, MSG_DONTWAIT, NULL));
	printf("lengths %u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	SHOW(recvmmsg(p[1], mm, 3, MSG_DONTWAIT, NULL));
	return 0;
}
