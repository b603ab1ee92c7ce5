// needs: root
#include "net.h"

static void story(const char *ip, const char *any) {
	printf("-- %s\n", ip);
	union addr a, from;
	socklen_t n, fn = sizeof from;
	int s = bound(SOCK_DGRAM, any, 7000);
	int c = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	char b[100];
	E(s);
	E(c);
	R(recv(s, b, 100, MSG_DONTWAIT));
	R(send(c, "x", 1, 0));
	n = to(&a, ip, 7000);
	R(sendto(c, "hello", 5, 0, &a.sa, n));
	R(sendto(c, "", 0, 0, &a.sa, n));
	R(sendto(c, "three", 5, 0, &a.sa, n));
	E(s);
	int q;
	R(ioctl(s, SIOCINQ, &q));
	printf("%d\n", q);
	R(recvfrom(s, b, 3, MSG_PEEK | MSG_TRUNC, &from.sa, &fn));
	printf("from length %d family %d\n", (int)fn, from.sa.sa_family);
	struct iovec v = {b, 3};
	struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1};
	R(recvmsg(s, &m, 0));
	printf("flags %x namelen %d\n", m.msg_flags, m.msg_namelen);
	R(recv(s, b, 100, 0));
	R(recvfrom(s, b, 100, MSG_WAITALL, 0, 0));
	// connected
	R(connect(c, &a.sa, n));
	union addr p;
	socklen_t pn = sizeof p;
	R(getpeername(c, &p.sa, &pn));
	puts(text(&p, pn));
	pn = sizeof p;
	R(getsockname(c, &p.sa, &pn));
	printf("port set: %d\n", p.in.sin_port != 0);
	R(send(c, "connected", 9, 0));
	fn = sizeof from;
	R(recvfrom(s, b, 100, 0, &from.sa, &fn));
	R(sendto(s, "back", 4, 0, &from.sa, fn));
	R(recv(c, b, 100, 0));
	int o = bound(SOCK_DGRAM, ip, 7009);
	R(sendto(o, "stranger", 8, 0, &p.sa, pn)); // not from the peer: refused
	R(recv(c, b, 100, MSG_DONTWAIT));
	printf("error %d\n", opt(o, SOL_SOCKET, SO_ERROR));
	// a closed port, connected
	n = to(&a, ip, 7005);
	R(connect(c, &a.sa, n));
	R(send(c, "x", 1, 0));
	E(c);
	R(send(c, "x", 1, 0));
	R(send(c, "x", 1, 0));
	R(recv(c, b, 1, MSG_DONTWAIT));
	R(recv(c, b, 1, MSG_DONTWAIT));
	R(send(c, "x", 1, 0));
	printf("error %d\n", opt(c, SOL_SOCKET, SO_ERROR));
	printf("error %d\n", opt(c, SOL_SOCKET, SO_ERROR));
	// dissolved
	union addr u = {.sa.sa_family = AF_UNSPEC};
	R(connect(c, &u.sa, sizeof u.sa));
	R(send(c, "x", 1, 0));
	pn = sizeof p;
	R(getpeername(c, &p.sa, &pn));
	R(connect(c, &u.sa, sizeof u.sa));
	// sizes
	static char big[70000];
	n = to(&a, ip, 7000);
	R(sendto(c, big, 65507, 0, &a.sa, n));
	R(sendto(c, big, 65508, 0, &a.sa, n));
	R(sendto(c, big, 65527, 0, &a.sa, n));
	R(sendto(c, big, 65528, 0, &a.sa, n));
	R(sendto(c, big, 70000, 0, &a.sa, n));
	while (recv(s, big, sizeof big, MSG_DONTWAIT) > 0)
		;
	R(sendto(c, (void *)8, 10, 0, &a.sa, n));
	R(sendto(c, "x", 1, MSG_OOB, &a.sa, n));
	R(recv(s, b, 1, MSG_DONTWAIT));
	n = to(&a, ip, 0);
	R(sendto(c, "x", 1, 0, &a.sa, n));
	R(connect(c, &a.sa, n));
	R(listen(c, 1));
	R(accept(c, 0, 0));
	R(shutdown(c, SHUT_RD));
	// MSG_MORE and UDP_CORK make one datagram of several sends
	n = to(&a, ip, 7000);
	R(connect(c, &a.sa, n));
	R(send(c, "ab", 2, MSG_MORE));
	R(send(c, "cd", 2, MSG_MORE));
	R(recv(s, b, 100, MSG_DONTWAIT));
	R(send(c, "ef", 2, 0));
	R(recv(s, b, 100, MSG_DONTWAIT));
	R(setopt(c, IPPROTO_UDP, UDP_CORK, 1));
	R(send(c, "12", 2, 0));
	R(send(c, "34", 2, 0));
	R(recv(s, b, 100, MSG_DONTWAIT));
	R(setopt(c, IPPROTO_UDP, UDP_CORK, 0));
	R(recv(s, b, 100, MSG_DONTWAIT));
	// shutdown
	R(shutdown(c, SHUT_RD));
	E(c);
	R(recv(c, b, 100, 0));
	R(shutdown(c, SHUT_WR));
	E(c);
	R(send(c, "x", 1, 0));
	// a full queue drops, and nobody is told
	R(setopt(s, SOL_SOCKET, SO_RCVBUF, 1));
	printf("rcvbuf %d\n", opt(s, SOL_SOCKET, SO_RCVBUF));
	int f = dial(SOCK_DGRAM, ip, 7000);
	int sent = 0;
	for (int i = 0; i < 50; i++)
		sent += send(f, "0123456789", 10, 0) == 10;
	int got = 0;
	while (recv(s, b, 100, MSG_DONTWAIT) > 0)
		got++;
	printf("sent %d, dropped some: %d\n", sent, got < 50 && got > 0);
	close(f), close(o), close(c), close(s);
}

int main() {
	fresh();
	story("127.0.0.1", "0.0.0.0");
	story("::1", "::");
	// broadcast needs leave
	int c = socket(AF_INET, SOCK_DGRAM, 0);
	union addr a;
	socklen_t n = in4(&a, "127.255.255.255", 7000);
	R(sendto(c, "x", 1, 0, &a.sa, n));
	R(setopt(c, SOL_SOCKET, SO_BROADCAST, 1));
	int s = bound(SOCK_DGRAM, "0.0.0.0", 7000);
	R(sendto(c, "x", 1, 0, &a.sa, n));
	char b[10];
	R(recv(s, b, 10, MSG_DONTWAIT));
	n = in4(&a, "192.0.2.1", 7000);
	R(sendto(c, "x", 1, 0, &a.sa, n));
	R(sendto(c, "x", 1, 0, &a.sa, 8));
	a.sa.sa_family = AF_UNIX;
	R(sendto(c, "x", 1, 0, &a.sa, n));
	n = in6(&a, "2001:db8::1", 7000);
	int c6 = socket(AF_INET6, SOCK_DGRAM, 0);
	R(sendto(c6, "x", 1, 0, &a.sa, n));
	R(sendto(c6, "x", 1, 0, &a.sa, 20));
	n = in4(&a, "127.0.0.1", 7000);
	R(sendto(c6, "x", 1, 0, &a.sa, n));
	R(recv(s, b, 10, MSG_DONTWAIT));
	R(setopt(c6, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	R(sendto(c6, "x", 1, 0, &a.sa, n));
}
