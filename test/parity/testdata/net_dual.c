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
}
