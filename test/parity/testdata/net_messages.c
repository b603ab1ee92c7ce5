// needs: root
#include "net.h"

static void *later(void *p) {
	int s = *(int *)p;
	usleep(50000);
	write(s, "abc", 3);
	usleep(50000);
	write(s, "defghij", 7);
	return 0;
}

// Urgent data.
static void urgent() {
	int l = listening("127.0.0.1", 7000), c = dial(SOCK_STREAM, "127.0.0.1", 7000), s = accept(l, 0, 0);
	char b[100];
	int at;
	R(send(c, "abc", 3, 0));
	R(send(c, "XY", 2, MSG_OOB));
	R(send(c, "def", 3, 0));
	printf("%x\n", until(s, POLLPRI) & POLLPRI);
	E(s);
	R(ioctl(s, SIOCATMARK, &at));
	printf("at mark %d\n", at);
	R(recv(s, b, 100, MSG_OOB | MSG_PEEK));
	R(recv(s, b, 100, MSG_OOB));
	printf("%c\n", b[0]);
	R(recv(s, b, 100, MSG_OOB));
	R(recv(s, b, 100, 0)); // up to the mark
	R(ioctl(s, SIOCATMARK, &at));
	printf("at mark %d\n", at);
	R(recv(s, b, 100, 0));
	R(ioctl(s, SIOCATMARK, &at));
	printf("at mark %d\n", at);
	R(setopt(s, SOL_SOCKET, SO_OOBINLINE, 1));
	R(send(c, "Z", 1, MSG_OOB));
	until(s, POLLPRI);
	E(s);
	R(ioctl(s, SIOCATMARK, &at));
	printf("at mark %d\n", at);
	R(recv(s, b, 100, 0));
	close(c), close(s), close(l);
}

static void many() {
	int s = bound(SOCK_DGRAM, "127.0.0.1", 7000), c = dial(SOCK_DGRAM, "127.0.0.1", 7000);
	struct mmsghdr m[5] = {};
	struct iovec v[5];
	char b[5][10];
	for (int i = 0; i < 5; i++) {
		v[i] = (struct iovec){"0123456789", i + 1};
		m[i].msg_hdr.msg_iov = &v[i], m[i].msg_hdr.msg_iovlen = 1;
	}
	R(sendmmsg(c, m, 5, 0));
	for (int i = 0; i < 5; i++)
		printf("%d ", m[i].msg_len);
	puts("");
	for (int i = 0; i < 5; i++)
		v[i] = (struct iovec){b[i], 3};
	R(recvmmsg(s, m, 2, 0, 0));
	R(recvmmsg(s, m, 5, MSG_DONTWAIT, 0));
	for (int i = 0; i < 3; i++)
		printf("%d:%x ", m[i].msg_len, m[i].msg_hdr.msg_flags);
	puts("");
	R(recvmmsg(s, m, 5, MSG_DONTWAIT, 0));
	R(send(c, "x", 1, 0));
	R(recvmmsg(s, m, 5, MSG_WAITFORONE, 0));
	struct timespec ts = {0, 1};
	R(send(c, "x", 1, 0));
	R(recvmmsg(s, m, 5, 0, &ts));
	printf("left %ld %ld\n", (long)ts.tv_sec, (long)ts.tv_nsec);
	ts = (struct timespec){5, 0};
	R(send(c, "x", 1, 0));
	R(recvmmsg(s, m, 1, 0, &ts));
	printf("left some: %d\n", ts.tv_sec == 4);
	ts.tv_nsec = -1;
	R(recvmmsg(s, m, 1, 0, &ts));
	R(sendmmsg(c, m, 0, 0));
	R(sendmmsg(c, (void *)8, 1, 0));
	m[1].msg_hdr.msg_iov = (void *)8;
	R(sendmmsg(c, m, 3, 0));
	close(c), close(s);
}

static void waits() {
	int l = listening("127.0.0.1", 7001), c = dial(SOCK_STREAM, "127.0.0.1", 7001), s = accept(l, 0, 0);
	char b[100];
	pthread_t t;
	pthread_create(&t, 0, later, &c);
	R(recv(s, b, 10, MSG_WAITALL));
	pthread_join(t, 0);
	pthread_create(&t, 0, later, &c);
	R(recv(s, b, 2, 0));
	R(recv(s, b, 8, MSG_WAITALL));
	pthread_join(t, 0);
	write(c, "abc", 3);
	until(s, POLLIN);
	R(recv(s, b, 10, MSG_WAITALL | MSG_DONTWAIT));
	// The end of the stream ends a wait.
	write(c, "abc", 3);
	shutdown(c, SHUT_WR);
	R(recv(s, b, 10, MSG_WAITALL));
	R(recv(s, b, 10, MSG_WAITALL));
	R(recv(s, b, 10, MSG_PEEK));
	R(recv(s, b, 0, 0));
	R(recv(s, (void *)8, 10, 0));
	R(write(s, (void *)8, 10));
	R(write(s, "x", 0));
	// readv, writev and messages of several parts.
	struct iovec v[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
	R(writev(s, v, 3));
	until(c, POLLIN);
	char x[2], y[2], z[5];
	struct iovec w[3] = {{x, 2}, {y, 2}, {z, 5}};
	R(readv(c, w, 3));
	printf("%.2s %.2s %.1s\n", x, y, z);
	// An address is given back by datagrams only.
	union addr a;
	socklen_t n = sizeof a;
	write(s, "q", 1);
	R(recvfrom(c, b, 1, 0, &a.sa, &n));
	printf("%d\n", (int)n);
	struct msghdr m = {.msg_iov = w, .msg_iovlen = 1025};
	R(recvmsg(c, &m, 0));
	R(sendmsg(c, &m, 0));
	m.msg_iovlen = 1, m.msg_namelen = -1, m.msg_name = &a;
	R(recvmsg(c, &m, 0));
	R(sendmsg(c, &m, MSG_NOSIGNAL));
	R(recvmsg(c, (void *)8, 0));
	R(sendto(s, "x", 1, 0x40000000, 0, 0));
	close(c), close(s), close(l);
}

int main() {
	fresh();
	urgent();
	many();
	waits();
}
