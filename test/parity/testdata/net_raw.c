// needs: root
#include "net.h"

// The names of sockets without ports.
static void names(int s) {
	union addr a;
	socklen_t n = sizeof a;
	R(getsockname(s, &a.sa, &n));
	puts(text(&a, n));
	n = sizeof a;
	int r = getpeername(s, &a.sa, &n);
	R(r);
	if (r == 0)
		puts(text(&a, n));
}

static void story(int type, int proto, const char *ip, const char *any) {
	printf("-- %d %d %s\n", type, proto, ip);
	int s = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, type, proto);
	union addr a;
	socklen_t n;
	if (type == SOCK_RAW)
		names(s);
	for (int port = 0; port < 6; port += 5) {
		n = to(&a, ip, port);
		R(connect(s, &a.sa, n));
		if (type == SOCK_RAW)
			names(s);
	}
	a.sa.sa_family = AF_UNSPEC;
	R(connect(s, &a.sa, n));
	if (type == SOCK_RAW)
		names(s);
	n = to(&a, any, 0);
	R(bind(s, &a.sa, n));
	n = to(&a, ip, 0);
	R(connect(s, &a.sa, n));
	n = sizeof a;
	R(getpeername(s, &a.sa, &n));
	close(s);
}

static void checksum(int proto) {
	int s = socket(AF_INET6, SOCK_RAW, proto), level[] = {IPPROTO_IPV6, 255}, v[] = {6, 3, -1, 0};
	for (int l = 0; l < 2; l++)
		for (int i = 0; i < 4; i++) {
			printf("%d %d %d: ", proto, level[l], v[i]);
			R(setsockopt(s, level[l], IPV6_CHECKSUM, &v[i], 4));
			printf("%d\n", opt(s, level[l], IPV6_CHECKSUM));
		}
	close(s);
}

int main(void) {
	fresh();
	story(SOCK_RAW, IPPROTO_TCP, "127.0.0.1", "0.0.0.0");
	story(SOCK_RAW, IPPROTO_ICMP, "127.0.0.1", "0.0.0.0");
	story(SOCK_RAW, IPPROTO_ICMPV6, "::1", "::");
	story(SOCK_DGRAM, 0, "127.0.0.1", "0.0.0.0");
	story(SOCK_DGRAM, 0, "::1", "::");
	checksum(IPPROTO_ICMPV6);
	checksum(IPPROTO_UDP);
	return 0;
}
