// needs: root
#include "net.h"

// Which two sockets may have a port at once.
static const char *addrs[] = {"0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1", "only ::"};

static int make(int type, const char *ip, int reuseaddr, int reuseport, int *err) {
	union addr a;
	int only = !strncmp(ip, "only ", 5);
	socklen_t n = to(&a, ip + 5 * only, 7000);
	int s = socket(a.sa.sa_family, type, 0);
	if (only)
		setopt(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	setopt(s, SOL_SOCKET, SO_REUSEADDR, reuseaddr);
	setopt(s, SOL_SOCKET, SO_REUSEPORT, reuseport);
	*err = bind(s, &a.sa, n) ? errno : 0;
	return s;
}

static void matrix(int type, int listens) {
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < 7; j++) {
			printf("%d%d %s, %s:", type, listens, addrs[i], addrs[j]);
			for (int o = 0; o < 16; o++) {
				int e1, e2;
				int s = make(type, addrs[i], o & 1, o >> 1 & 1, &e1);
				int l = 0;
				if (listens && listen(s, 1))
					l = errno;
				int t = make(type, addrs[j], o >> 2 & 1, o >> 3 & 1, &e2);
				printf(" %s", e1 ? "first" : l ? "listen" : e2 ? strerrorname_np(e2) : "ok");
				if (listens && !e2 && listen(t, 1))
					printf("(%s)", strerrorname_np(errno));
				close(s), close(t);
			}
			puts("");
		}
}

static void name(int s) {
	union addr a;
	socklen_t n = sizeof a;
	char ip[64];
	getsockname(s, &a.sa, &n);
	inet_ntop(a.sa.sa_family, a.sa.sa_family == AF_INET ? (void *)&a.in.sin_addr : (void *)&a.in6.sin6_addr, ip, sizeof ip);
	printf("  %s, %s port\n", ip, a.in.sin_port ? "a" : "no");
}

// What is left of a connection that came to nothing.
static void refused(int type, const char *ip, int port, int asked) {
	union addr a, none = {.sa.sa_family = AF_UNSPEC};
	int s = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, type, 0);
	socklen_t n = to(&a, ip, asked == 3 ? 7177 : 0);
	printf("type %d of %s port %d, bound %d\n", type, ip, port, asked);
	if (asked) {
		setopt(s, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, asked == 1);
		R(bind(s, &a.sa, n));
		name(s);
	}
	n = to(&a, ip, port);
	R(connect(s, &a.sa, n));
	name(s);
	R(connect(s, &a.sa, n));
	name(s);
	R(connect(s, &none.sa, sizeof none.in6));
	name(s);
	n = to(&a, ip, 0);
	R(bind(s, &a.sa, n));
	name(s);
	close(s);
}

// A listener that stops, and a connection that is dissolved.
static void stopped(const char *ip, int port) {
	union addr a, none = {.sa.sa_family = AF_UNSPEC};
	int l = listening(ip, port), s, c;
	socklen_t n = sizeof a;
	getsockname(l, &a.sa, &n);
	c = dial(SOCK_STREAM, ip, ntohs(a.in.sin_port)), s = accept(l, 0, 0);
	R(shutdown(l, SHUT_RD));
	name(l);
	n = to(&a, ip, 0);
	R(bind(l, &a.sa, n));
	R(connect(s, &none.sa, sizeof none.in6));
	name(s);
	R(bind(s, &a.sa, n));
	close(s), close(c), close(l);
}

int main() {
	fresh();
	matrix(SOCK_DGRAM, 0);
	matrix(SOCK_STREAM, 0);
	matrix(SOCK_STREAM, 1);
	// Users may share a port among their own sockets only.
	int e;
	int s = make(SOCK_DGRAM, "127.0.0.1", 0, 1, &e);
	CHILD("other user", setuid(1000); make(SOCK_DGRAM, "127.0.0.1", 0, 1, &e); puts(e ? strerrorname_np(e) : "ok"));
	// Ports of the privileged.
	CHILD("port 80", setuid(1000); union addr a; socklen_t n = in4(&a, "127.0.0.1", 80); R(bind(socket(AF_INET, SOCK_STREAM, 0), &a.sa, n)));
	// Ephemeral ports.
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 0);
	int p = socket(AF_INET, SOCK_STREAM, 0);
	R(bind(p, &a.sa, n));
	n = sizeof a;
	R(getsockname(p, &a.sa, &n));
	printf("in range: %d\n", ntohs(a.in.sin_port) >= 32768 && ntohs(a.in.sin_port) <= 60999);
	p = socket(AF_INET, SOCK_STREAM, 0);
	R(listen(p, 1)); // binds by itself
	n = sizeof a;
	R(getsockname(p, &a.sa, &n));
	printf("in range: %d, any: %d\n", ntohs(a.in.sin_port) >= 32768, a.in.sin_addr.s_addr == 0);
	// A connection keeps the port when its listener has gone.
	int l = listening("127.0.0.1", 7100), c = dial(SOCK_STREAM, "127.0.0.1", 7100), k = accept(l, 0, 0);
	close(l);
	n = in4(&a, "127.0.0.1", 7100);
	int r = socket(AF_INET, SOCK_STREAM, 0);
	R(bind(r, &a.sa, n));
	setopt(r, SOL_SOCKET, SO_REUSEADDR, 1);
	R(bind(r, &a.sa, n));
	R(listen(r, 1));
	close(k), close(c), close(r);
	// TIME_WAIT needs SO_REUSEADDR too.
	l = listening("127.0.0.1", 7101), c = dial(SOCK_STREAM, "127.0.0.1", 7101), k = accept(l, 0, 0);
	close(k);
	until(c, POLLIN);
	close(c), close(l);
	n = in4(&a, "127.0.0.1", 7101);
	r = socket(AF_INET, SOCK_STREAM, 0);
	R(bind(r, &a.sa, n));
	setopt(r, SOL_SOCKET, SO_REUSEADDR, 1);
	R(bind(r, &a.sa, n));
	// Devices.
	int d = socket(AF_INET, SOCK_DGRAM, 0);
	R(setsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	R(setsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, "none", 5));
	char name[32] = "";
	socklen_t nn = sizeof name;
	R(getsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, name, &nn));
	printf("%s %d\n", name, (int)nn);
	R(setsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	nn = sizeof name;
	R(getsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, name, &nn));
	printf("%d\n", (int)nn);
	// An address now, a port with the first use.
	for (int how = 0; how < 3; how++) {
		d = socket(AF_INET, SOCK_DGRAM, 0);
		setopt(d, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 1);
		uint32_t range = 40199u << 16 | 40100;
		R(setsockopt(d, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &range, sizeof range));
		n = in4(&a, "127.0.0.9", 0);
		R(bind(d, &a.sa, n));
		nn = sizeof a;
		R(getsockname(d, &a.sa, &nn));
		printf("%x %d\n", ntohl(a.in.sin_addr.s_addr), ntohs(a.in.sin_port));
		n = in4(&a, "127.0.0.1", 7199);
		R(how == 0 ? connect(d, &a.sa, n) : how == 1 ? sendto(d, "x", 1, 0, &a.sa, n) : bind(d, &a.sa, n));
		nn = sizeof a;
		R(getsockname(d, &a.sa, &nn));
		printf("%x %d\n", ntohl(a.in.sin_addr.s_addr), how == 2 ? ntohs(a.in.sin_port) : ntohs(a.in.sin_port) >= 40100 && ntohs(a.in.sin_port) <= 40199);
	}
	for (int asked = 0; asked < 4; asked++) {
		refused(SOCK_STREAM, "127.0.0.1", 0, asked);
		refused(SOCK_STREAM, "::1", 9, asked);
		refused(SOCK_DGRAM, "127.0.0.1", 0, asked);
	}
	stopped("127.0.0.1", 7178), stopped("0.0.0.0", 0), stopped("::1", 0);
}
