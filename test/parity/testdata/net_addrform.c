// needs: root
#include "net.h"

// A socket of AF_INET6 that speaks to one of IPv4 becomes one of AF_INET.
#define FORM 1
static int form(int s) { return setopt(s, IPPROTO_IPV6, FORM, AF_INET); }
static void as(int s) {
	union addr a;
	socklen_t n = sizeof a;
	printf("  domain %d, getsockopt %d", opt(s, SOL_SOCKET, SO_DOMAIN), opt(s, IPPROTO_IPV6, FORM));
	getsockname(s, &a.sa, &n);
	printf(", own %d(%d)", a.sa.sa_family, (int)n);
	n = sizeof a;
	if (!getpeername(s, &a.sa, &n))
		printf(", peer %d(%d)", a.sa.sa_family, (int)n);
	printf("\n");
}
static void forms(void) {
	union addr a, u = {.sa.sa_family = AF_UNSPEC};
	char b[100];
	socklen_t n;
	int l = listening("::", 7000), c = dial(SOCK_STREAM, "127.0.0.1", 7000), s = accept(l, 0, 0);
	R(form(l));
	R(setopt(s, IPPROTO_IPV6, FORM, AF_INET6));
	R(setsockopt(s, IPPROTO_IPV6, FORM, "xx", 2));
	R(setopt(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	R(setopt(s, IPPROTO_IP, IP_TTL, 33));
	as(s);
	R(form(s));
	as(s);
	R(form(s));
	R(setopt(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 4));
	R(opt(s, IPPROTO_IP, IP_TTL));
	R(send(c, "hello", 5, 0));
	R(recv(s, b, 5, 0));
	R(send(s, "hello", 5, 0));
	R(recv(c, b, 5, 0));
	R(connect(s, &u.sa, sizeof u.in));
	n = in4(&a, "0.0.0.0", 7001);
	R(bind(s, &a.sa, n));
	R(listen(s, 5));
	as(s);
	int c2 = dial(SOCK_STREAM, "127.0.0.1", 7001), s2 = accept(s, 0, 0);
	as(s2);
	R(form(s2));
	close(s2), close(c2), close(s), close(c);
	c = dial(SOCK_STREAM, "::ffff:127.0.0.1", 7000);
	R(form(c));
	as(c);
	close(c);
	c = dial(SOCK_STREAM, "::1", 7000);
	R(form(c));
	as(c);
	close(c), close(l);
	// Datagrams.
	int p = bound(SOCK_DGRAM, "127.0.0.1", 7002), d = bound(SOCK_DGRAM, "::", 7003);
	R(form(d));
	R(setopt(d, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	R(setopt(d, IPPROTO_IP, IP_RECVTTL, 1));
	struct ipv6_mreq m = {.ipv6mr_interface = 1};
	inet_pton(AF_INET6, "ff02::77", &m.ipv6mr_multiaddr);
	R(setsockopt(d, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
	n = in6(&a, "::ffff:127.0.0.1", 7002);
	R(connect(d, &a.sa, n));
	as(d);
	R(form(d));
	as(d);
	FILE *f = fopen("/proc/net/igmp6", "r");
	int found = 0;
	while (fgets(b, sizeof b, f))
		found |= strstr(b, "ff020000000000000000000000000077") != NULL;
	printf("member %d\n", found);
	fclose(f);
	R(send(d, "hello", 5, 0));
	n = sizeof a;
	R(recvfrom(p, b, sizeof b, 0, &a.sa, &n));
	R(sendto(p, "hello", 5, 0, &a.sa, n));
	char ctl[200];
	struct iovec v = {b, sizeof b};
	struct msghdr h = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	R(recvmsg(d, &h, 0));
	printf("  from %s:", text(&a, h.msg_namelen));
	for (struct cmsghdr *k = CMSG_FIRSTHDR(&h); k; k = CMSG_NXTHDR(&h, k))
		printf(" %d/%d", k->cmsg_level, k->cmsg_type);
	printf("\n");
	n = in6(&a, "::1", 7002);
	R(sendto(d, "x", 1, 0, &a.sa, n));
	n = in4(&a, "127.0.0.1", 7002);
	R(sendto(d, "x", 1, 0, &a.sa, n));
	f = fopen("/proc/net/udp", "r");
	int lines = 0;
	while (fgets(b, sizeof b, f))
		lines++;
	fclose(f);
	printf("lines of udp %d\n", lines);
	R(connect(d, &u.sa, sizeof u.in));
	as(d);
	close(d);
	d = dial(SOCK_DGRAM, "::ffff:127.0.0.1", 7002);
	R(setopt(d, SOL_UDP, UDP_CORK, 1));
	R(send(d, "x", 1, 0));
	R(form(d));
	as(d);
	R(setopt(d, SOL_UDP, UDP_CORK, 0));
	R(recv(p, b, sizeof b, 0));
	close(d);
	d = dial(SOCK_DGRAM, "::1", 7002);
	R(setopt(d, SOL_UDP, UDP_CORK, 1));
	R(send(d, "x", 1, 0));
	R(form(d));
	R(setopt(d, SOL_UDP, UDP_CORK, 0));
	R(form(d));
	close(d);
	d = socket(AF_INET6, SOCK_RAW, 200);
	R(form(d));
	R(setopt(d, IPPROTO_IPV6, FORM, AF_INET6));
	close(d);
	d = socket(AF_INET6, SOCK_DGRAM, 0);
	R(setopt(d, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	R(form(d));
}

int main() {
	fresh();
	forms();
}
