// needs: root
#include "net.h"

static void names(int s) {
	union addr a;
	socklen_t n = sizeof a;
	if (!getsockname(s, &a.sa, &n))
		printf("own %s ", a.in.sin_port == htons(7000) || a.in.sin_port == 0 ? text(&a, n) : a.sa.sa_family == AF_INET ? "4" : IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr) ? "mapped" : "6");
	n = sizeof a;
	if (!getpeername(s, &a.sa, &n))
		printf("peer %s", a.in.sin_port == htons(7000) ? text(&a, n) : a.sa.sa_family == AF_INET ? "4" : IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr) ? "mapped" : "6");
	puts("");
}

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
	char b[10];
	union addr a;
	socklen_t n;
	// A stream that listens on both families.
	int l = listening("::", 7000);
	names(l);
	const char *from[] = {"127.0.0.1", "::1", "::ffff:127.0.0.1"};
	for (int i = 0; i < 3; i++) {
		int c = dial(SOCK_STREAM, from[i], 7000), s = accept(l, 0, 0);
		names(c), names(s);
		printf("domain %d %d\n", opt(c, SOL_SOCKET, SO_DOMAIN), opt(s, SOL_SOCKET, SO_DOMAIN));
		write(c, "x", 1);
		R(read(s, b, 10));
		printf("ttl %d hops %d tos %d\n", opt(s, IPPROTO_IP, IP_TTL), opt(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS), opt(s, IPPROTO_IP, IP_TOS));
		close(c), close(s);
	}
	close(l);
	// One that does not.
	l = socket(AF_INET6, SOCK_STREAM, 0);
	setopt(l, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	setopt(l, SOL_SOCKET, SO_REUSEADDR, 1);
	n = in6(&a, "::", 7000);
	R(bind(l, &a.sa, n));
	R(listen(l, 1));
	dial(SOCK_STREAM, "127.0.0.1", 7000);
	R(setopt(l, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	n = in6(&a, "::ffff:127.0.0.1", 7000);
	int x = socket(AF_INET6, SOCK_STREAM, 0);
	setopt(x, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	R(bind(x, &a.sa, n));
	R(connect(x, &a.sa, n));
	close(l);
	// Datagrams.
	int s = bound(SOCK_DGRAM, "::", 7000);
	int c4 = dial(SOCK_DGRAM, "127.0.0.1", 7000), c6 = dial(SOCK_DGRAM, "::1", 7000), cm = dial(SOCK_DGRAM, "::ffff:127.0.0.1", 7000);
	int cs[] = {c4, c6, cm};
	for (int i = 0; i < 3; i++) {
		names(cs[i]);
		R(send(cs[i], "x", 1, 0));
		n = sizeof a;
		R(recvfrom(s, b, 10, 0, &a.sa, &n));
		printf("%d mapped %d\n", (int)n, IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr));
		R(sendto(s, "back", 4, 0, &a.sa, n));
		R(recv(cs[i], b, 10, 0));
	}
	// From one family to the other.
	n = in6(&a, "::1", 7000);
	int v4 = socket(AF_INET, SOCK_DGRAM, 0);
	R(sendto(v4, "x", 1, 0, &a.sa, n));
	R(connect(v4, &a.sa, n));
	int t4 = socket(AF_INET, SOCK_STREAM, 0);
	R(connect(t4, &a.sa, n));
	n = in4(&a, "127.0.0.1", 7000);
	int t6 = socket(AF_INET6, SOCK_STREAM, 0);
	R(connect(t6, &a.sa, n));
	R(connect(t6, &a.sa, sizeof a.in6));
	// A connected one can be dissolved and connected to the other family.
	union addr u = {.sa.sa_family = AF_UNSPEC};
	R(connect(cm, &u.sa, sizeof u.in6));
	n = in6(&a, "::1", 7000);
	R(connect(cm, &a.sa, n));
	names(cm);
	// Scopes.
	n = in6(&a, "fe80::1", 7000);
	int ll = socket(AF_INET6, SOCK_DGRAM, 0);
	R(bind(ll, &a.sa, n));
	R(connect(ll, &a.sa, n));
	forms();
}
