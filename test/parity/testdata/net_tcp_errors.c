// needs: root
#include "net.h"

int main() {
	fresh();
	char b[100];
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7000);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	// What an idle socket says.
	R(read(s, b, 1));
	R(recv(s, b, 1, MSG_DONTWAIT));
	R(send(s, "x", 1, MSG_NOSIGNAL));
	R(sendto(s, "x", 1, MSG_NOSIGNAL, &a.sa, n));
	R(accept(s, 0, 0));
	R(shutdown(s, SHUT_RD));
	R(shutdown(s, 5));
	n = sizeof a;
	R(getpeername(s, &a.sa, &n));
	R(getsockname(s, &a.sa, &n));
	puts(text(&a, n));
	// Addresses that are none.
	n = in4(&a, "127.0.0.1", 7000);
	R(bind(s, &a.sa, 1));
	R(bind(s, &a.sa, 15));
	R(bind(s, &a.sa, 200));
	R(bind(s, (void *)8, n));
	R(connect(s, &a.sa, 1));
	R(connect(s, &a.sa, 15));
	a.sa.sa_family = AF_UNIX;
	R(bind(s, &a.sa, n));
	R(connect(s, &a.sa, n));
	a.sa.sa_family = AF_INET6;
	R(bind(s, &a.sa, n));
	a.sa.sa_family = AF_UNSPEC;
	R(bind(s, &a.sa, n));
	R(connect(s, &a.sa, n));
	n = in4(&a, "192.0.2.1", 7000);
	R(bind(s, &a.sa, n));
	R(connect(s, &a.sa, n));
	n = in4(&a, "127.0.0.1", 7000);
	R(bind(s, &a.sa, n));
	R(bind(s, &a.sa, n));
	R(listen(s, -5));
	R(listen(s, 5));
	R(connect(s, &a.sa, n));
	R(read(s, b, 1));
	R(send(s, "x", 1, MSG_NOSIGNAL));
	int q;
	R(ioctl(s, SIOCINQ, &q));
	R(ioctl(s, SIOCOUTQ, &q));
	int c = dial(SOCK_STREAM, "127.0.0.1", 7000);
	R(connect(c, &a.sa, n));
	R(listen(c, 1));
	R(bind(c, &a.sa, n));
	int k = accept(s, 0, 0);
	int d = dial(SOCK_STREAM, "127.0.0.1", 7000);
	R(accept(s, &a.sa, (void *)8));
	close(d);
	R(recv(k, b, 1, MSG_OOB));
	R(setopt(k, SOL_SOCKET, SO_OOBINLINE, 1));
	R(recv(k, b, 1, MSG_OOB));
	// Dissolving an association.
	c = dial(SOCK_STREAM, "127.0.0.1", 7000);
	union addr u = {.sa.sa_family = AF_UNSPEC};
	R(connect(c, &u.sa, sizeof u.sa));
	n = sizeof a;
	R(getpeername(c, &a.sa, &n));
	n = in4(&a, "127.0.0.1", 7000);
	R(connect(c, &a.sa, n));
	// Families and types.
	R(socket(AF_INET, SOCK_SEQPACKET, 0));
	R(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	R(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	R(socket(AF_INET, SOCK_RAW, 0));
	R(socket(AF_INET, SOCK_STREAM, 999));
	R(socket(AF_INET, SOCK_STREAM, -1));
	R(socket(AF_INET, 99, 0));
	R(socket(AF_INET6, SOCK_RDM, 0));
	R(socket(77, SOCK_STREAM, 0));
	R(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){}));
	R(socketpair(AF_INET6, SOCK_DGRAM, 0, (int[2]){}));
	struct stat st;
	R(fstat(c, &st));
	printf("%o %d %d\n", st.st_mode, (int)st.st_nlink, (int)st.st_size);
	char path[100], link[100] = "";
	sprintf(path, "/proc/self/fd/%d", c);
	readlink(path, link, 8);
	puts(link);
	R(lseek(c, 0, SEEK_CUR));
	R(pread(c, b, 1, 0));
	R(ftruncate(c, 0));
	R(setsockopt(0, SOL_SOCKET, SO_DEBUG, &q, 4));
}
