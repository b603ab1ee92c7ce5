// needs: root
#include "net.h"

// Prints the control messages of a message, those of time without their values.
static void items(struct msghdr *m) {
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int n = c->cmsg_len - CMSG_LEN(0);
		unsigned char *d = CMSG_DATA(c);
		printf("  level %d type %d length %d", c->cmsg_level, c->cmsg_type, n);
		if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SO_TIMESTAMP || c->cmsg_type == SO_TIMESTAMPNS || c->cmsg_type == SO_TIMESTAMPING))
			printf(" now: %d", *(long *)d >= time(0) - 2);
		else
			for (int i = 0; i < n; i++)
				printf(" %02x", d[i]);
		puts("");
	}
}

static int get(int s, int flags) {
	char b[100], ctl[512];
	union addr from;
	struct iovec v = {b, 100};
	struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	memset(ctl, 0, sizeof ctl);
	int n = recvmsg(s, &m, flags);
	if (n < 0) {
		printf("recvmsg %s\n", strerrorname_np(errno));
		return n;
	}
	printf("got %d flags %x control %d\n", n, m.msg_flags, (int)m.msg_controllen);
	items(&m);
	return n;
}

static int sendctl(int s, union addr *a, socklen_t n, int level, int type, const void *d, int len) {
	char ctl[256] = {};
	struct iovec v = {"msg", 3};
	struct msghdr m = {.msg_name = a, .msg_namelen = n, .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = CMSG_SPACE(len)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = level, c->cmsg_type = type, c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), d, len);
	return sendmsg(s, &m, 0);
}

static void four() {
	int s = bound(SOCK_DGRAM, "0.0.0.0", 7000), c = dial(SOCK_DGRAM, "127.0.0.1", 7000);
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7000);
	R(setopt(s, IPPROTO_IP, IP_PKTINFO, 1));
	R(setopt(s, IPPROTO_IP, IP_RECVTTL, 1));
	R(setopt(s, IPPROTO_IP, IP_RECVTOS, 1));
	R(setopt(s, IPPROTO_IP, IP_RECVORIGDSTADDR, 1));
	R(send(c, "x", 1, 0));
	get(s, 0);
	R(setopt(c, IPPROTO_IP, IP_TTL, 7));
	R(setopt(c, IPPROTO_IP, IP_TOS, 0x28));
	R(send(c, "x", 1, 0));
	get(s, MSG_PEEK);
	get(s, 0);
	R(setopt(s, IPPROTO_IP, IP_RECVORIGDSTADDR, 0));
	R(setopt(s, IPPROTO_IP, IP_PKTINFO, 0));
	int v = 9;
	R(sendctl(c, 0, 0, IPPROTO_IP, IP_TTL, &v, 4));
	get(s, 0);
	R(sendctl(c, 0, 0, IPPROTO_IP, IP_TOS, &v, 4));
	get(s, 0);
	R(sendctl(c, 0, 0, IPPROTO_IP, IP_TOS, "\x10", 1));
	get(s, 0);
	v = 0;
	R(sendctl(c, 0, 0, IPPROTO_IP, IP_TTL, &v, 4));
	v = 256;
	R(sendctl(c, 0, 0, IPPROTO_IP, IP_TTL, &v, 4));
	R(sendctl(c, 0, 0, IPPROTO_IP, IP_TTL, &v, 2));
	R(sendctl(c, 0, 0, IPPROTO_IP, 99, &v, 4));
	R(sendctl(c, 0, 0, IPPROTO_IPV6, 99, &v, 4));
	R(sendctl(c, 0, 0, IPPROTO_TCP, 99, &v, 4));
	R(sendctl(c, 0, 0, SOL_SOCKET, 99, &v, 4));
	R(sendctl(c, 0, 0, SOL_SOCKET, SCM_RIGHTS, &c, 4));
	R(setopt(s, IPPROTO_IP, IP_RECVTTL, 0));
	R(setopt(s, IPPROTO_IP, IP_RECVTOS, 0));
	while (recv(s, (char[10]){}, 10, MSG_DONTWAIT) > 0)
		;
	// The source by IP_PKTINFO.
	int u = bound(SOCK_DGRAM, "0.0.0.0", 7001);
	struct in_pktinfo pi = {0};
	inet_pton(AF_INET, "127.0.0.9", &pi.ipi_spec_dst);
	R(sendctl(u, &a, n, IPPROTO_IP, IP_PKTINFO, &pi, sizeof pi));
	char b[10];
	union addr from;
	socklen_t fn = sizeof from;
	R(recvfrom(s, b, 10, 0, &from.sa, &fn));
	puts(text(&from, fn));
	inet_pton(AF_INET, "192.0.2.1", &pi.ipi_spec_dst);
	R(sendctl(u, &a, n, IPPROTO_IP, IP_PKTINFO, &pi, sizeof pi));
	R(sendctl(u, &a, n, IPPROTO_IP, IP_PKTINFO, &pi, 8));
	memset(&pi, 0, sizeof pi);
	pi.ipi_ifindex = 77;
	R(sendctl(u, &a, n, IPPROTO_IP, IP_PKTINFO, &pi, sizeof pi));
	pi.ipi_ifindex = if_nametoindex("lo");
	R(sendctl(u, &a, n, IPPROTO_IP, IP_PKTINFO, &pi, sizeof pi));
	R(recvfrom(s, b, 10, MSG_DONTWAIT, &from.sa, &fn));
	// Times.
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMP, 1));
	R(send(c, "x", 1, 0));
	get(s, 0);
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	printf("%d %d\n", opt(s, SOL_SOCKET, SO_TIMESTAMP), opt(s, SOL_SOCKET, SO_TIMESTAMPNS));
	R(send(c, "x", 1, 0));
	get(s, 0);
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPNS, 0));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, 0x18)); // RX_SOFTWARE | SOFTWARE
	R(send(c, "x", 1, 0));
	R(recv(s, b, 10, 0));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, 0));
	// No room for what there is.
	R(setopt(s, IPPROTO_IP, IP_RECVTTL, 1));
	R(send(c, "x", 1, 0));
	char ctl[18];
	struct iovec iv = {b, 10};
	struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	R(recvmsg(s, &m, 0));
	printf("%x %d\n", m.msg_flags, (int)m.msg_controllen);
	R(send(c, "x", 1, 0));
	m.msg_controllen = 0;
	R(recvmsg(s, &m, 0));
	printf("%x %d\n", m.msg_flags, (int)m.msg_controllen);
	close(s), close(c), close(u);
}

static void six() {
	int s = bound(SOCK_DGRAM, "::", 7000), c = dial(SOCK_DGRAM, "::1", 7000);
	R(setopt(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	R(setopt(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	R(setopt(s, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	R(send(c, "x", 1, 0));
	get(s, 0);
	R(setopt(c, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5));
	R(setopt(c, IPPROTO_IPV6, IPV6_TCLASS, 0x20));
	R(send(c, "x", 1, 0));
	get(s, 0);
	int v = 3;
	R(sendctl(c, 0, 0, IPPROTO_IPV6, IPV6_HOPLIMIT, &v, 4));
	get(s, 0);
	R(sendctl(c, 0, 0, IPPROTO_IPV6, IPV6_TCLASS, &v, 4));
	get(s, 0);
	v = 256;
	R(sendctl(c, 0, 0, IPPROTO_IPV6, IPV6_HOPLIMIT, &v, 4));
	R(sendctl(c, 0, 0, IPPROTO_IPV6, IPV6_TCLASS, &v, 4));
	R(sendctl(c, 0, 0, IPPROTO_IPV6, 99, &v, 4));
	struct in6_pktinfo pi = {0};
	inet_pton(AF_INET6, "2001:db8::1", &pi.ipi6_addr);
	R(sendctl(c, 0, 0, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof pi));
	// A datagram of IPv4 at a socket of both.
	int f = dial(SOCK_DGRAM, "127.0.0.1", 7000);
	R(send(f, "x", 1, 0));
	get(s, 0);
	close(s), close(c), close(f);
}

static void errors(const char *ip, int level, int name) {
	printf("-- errors %s\n", ip);
	int c = dial(SOCK_DGRAM, ip, 7005);
	R(setopt(c, level, name, 1));
	R(send(c, "lost", 4, 0));
	E(c);
	get(c, MSG_ERRQUEUE);
	E(c);
	get(c, MSG_ERRQUEUE);
	R(send(c, "lost", 4, 0));
	R(recv(c, (char[10]){}, 10, MSG_DONTWAIT));
	get(c, MSG_ERRQUEUE);
	printf("error %d\n", opt(c, SOL_SOCKET, SO_ERROR));
	// Unconnected.
	int u = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	R(setopt(u, level, name, 1));
	union addr a;
	socklen_t n = to(&a, ip, 7005);
	R(sendto(u, "lost", 4, 0, &a.sa, n));
	E(u);
	R(recv(u, (char[10]){}, 10, MSG_DONTWAIT));
	get(u, MSG_ERRQUEUE);
	R(recv(u, (char[10]){}, 10, MSG_DONTWAIT));
	close(c), close(u);
}

int main() {
	fresh();
	four();
	six();
	errors("127.0.0.1", IPPROTO_IP, IP_RECVERR);
	errors("::1", IPPROTO_IPV6, IPV6_RECVERR);
}
