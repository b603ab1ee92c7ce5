// needs: root
#include "net.h"
#include <linux/if_ether.h>
#include <linux/if_packet.h>

// UDP-Lite: what its checksums cover.
#define LITE 136
#define SEND_COVER 10
#define RECV_COVER 11
static int lite(const char *ip, int port) {
	union addr a;
	socklen_t n = to(&a, ip, port);
	int s = socket(a.sa.sa_family, SOCK_DGRAM, LITE);
	if (port && bind(s, &a.sa, n))
		printf("bind: %s\n", strerrorname_np(errno));
	return s;
}
// heads prints the headers of the datagrams that left, ports of 72.. as they are.
static void heads(int k) {
	unsigned char b[3000];
	struct sockaddr_ll ll;
	socklen_t ln = sizeof ll;
	for (int n; (n = recvfrom(k, b, sizeof b, MSG_DONTWAIT, (void *)&ll, &ln)) > 0; ln = sizeof ll) {
		int v6 = b[0] >> 4 == 6, at = v6 ? 40 : 20;
		if (ll.sll_pkttype != PACKET_OUTGOING || b[v6 ? 6 : 9] != LITE)
			continue;
		printf("  %d bytes:", n);
		for (int i = at; i < at + 8; i++)
			printf(" %02x", b[i]);
		puts("");
	}
}
static void snmp(const char *file, const char *what) {
	char b[300];
	FILE *f = fopen(file, "r");
	while (fgets(b, sizeof b, f))
		if (!strncmp(b, what, strlen(what)))
			fputs(b, stdout);
	fclose(f);
}
// one sends from s to r and says what comes.
static void one(int s, int r, union addr *a, socklen_t n, int k, int size) {
	char b[3000];
	memset(b, 'a', sizeof b);
	printf(" send %d\n", (int)sendto(s, b, size, 0, &a->sa, n));
	struct pollfd p = {r, POLLIN};
	poll(&p, 1, 20);
	printf(" recv %d\n", (int)recv(r, b, sizeof b, MSG_DONTWAIT));
	heads(k);
}
static int raw(const char *ip, int cover, int sum, int n) {
	unsigned char h[100] = {0x1c, 0x21, 0x1c, 0x20, cover >> 8, cover};
	union addr a;
	socklen_t size = to(&a, ip, 0);
	int s = socket(a.sa.sa_family, SOCK_RAW, LITE);
	memset(h + 8, 'x', sizeof h - 8);
	if (sum) {
		unsigned c = LITE + n + (strchr(ip, ':') ? 2 : 0x7f00 + 1 + 0x7f00 + 1);
		int most = cover && cover < n ? cover : n;
		for (int i = 0; i < most; i++)
			c += i & 1 ? h[i] : h[i] << 8;
		while (c >> 16)
			c = (c & 0xffff) + (c >> 16);
		c = ~c & 0xffff;
		if (sum == 2)
			c ^= 0x5555;
		h[6] = c >> 8, h[7] = c;
	}
	int e = sendto(s, h, n, 0, &a.sa, size);
	close(s);
	return e;
}
static void try(const char *ip) {
	union addr a;
	socklen_t n = to(&a, ip, 7200), m;
	int r = lite(ip, 7200), s = lite(ip, 7201), k = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), u = bound(SOCK_DGRAM, ip, 7200);
	printf("%s type %d protocol %d\n", ip, opt(s, SOL_SOCKET, SO_TYPE), opt(s, SOL_SOCKET, SO_PROTOCOL));
	static const int covers[] = {0, 1, 7, 8, 9, 20, 100, 65535, 65536, 100000, -1};
	for (unsigned i = 0; i < sizeof covers / sizeof covers[0]; i++) {
		R(setopt(s, i & 1 ? LITE : SOL_UDP, SEND_COVER, covers[i]));
		R(opt(s, i & 1 ? SOL_UDP : LITE, SEND_COVER));
		one(s, r, &a, n, k, 30);
	}
	R(setopt(u, LITE, SEND_COVER, 8));
	R(setopt(u, SOL_UDP, RECV_COVER, 8));
	R(opt(u, LITE, SEND_COVER));
	R(opt(u, LITE, 77));
	R(opt(s, SOL_UDP, 77));
	R(setopt(s, LITE, 77, 1));
	for (unsigned i = 0; i < sizeof covers / sizeof covers[0]; i++) {
		R(setopt(r, LITE, RECV_COVER, covers[i]));
		R(opt(r, LITE, RECV_COVER));
		for (int c = 8; c < 60; c += 12) {
			setopt(s, LITE, SEND_COVER, c);
			one(s, r, &a, n, k, 30);
		}
	}
	R(setopt(s, LITE, SEND_COVER, 0));
	one(s, r, &a, n, k, 0);
	one(s, r, &a, n, k, 2000);
	R(setopt(s, SOL_SOCKET, SO_NO_CHECK, 1));
	R(setopt(s, SOL_UDP, 101 /* UDP_NO_CHECK6_TX */, 1));
	one(s, r, &a, n, k, 30);
	R(setopt(s, SOL_UDP, UDP_CORK, 1));
	R(sendto(s, "cork", 4, 0, &a.sa, n));
	R(sendto(s, "ed", 2, 0, &a.sa, n));
	R(setopt(s, SOL_UDP, UDP_CORK, 0));
	char b[100];
	R(recv(r, b, sizeof b, 0));
	R(setopt(s, SOL_UDP, 103 /* UDP_SEGMENT */, 10));
	R(sendto(s, "hello", 5, 0, &a.sa, n));
	R(sendto(s, b, 50, 0, &a.sa, n));
	R(setopt(s, SOL_UDP, 103, 0));
	R(setopt(s, SOL_SOCKET, SO_ZEROCOPY, 1));
	// What arrives.
	static const int lens[][3] = {{0, 1, 30}, {0, 0, 30}, {0, 2, 30}, {8, 1, 30}, {8, 2, 30}, {7, 1, 30}, {1, 1, 30}, {30, 1, 30}, {31, 1, 30}, {29, 1, 30}, {0, 1, 8}, {0, 1, 7}};
	R(setopt(r, LITE, RECV_COVER, 8));
	for (unsigned i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		if (i == 4 && strchr(ip, ':'))
			continue; // which Linux counts for IPv4
		R(raw(ip, lens[i][0], lens[i][1], lens[i][2]));
		struct pollfd p = {r, POLLIN};
		poll(&p, 1, 20);
		R(recv(r, b, sizeof b, MSG_DONTWAIT));
	}
	R(recv(u, b, sizeof b, MSG_DONTWAIT)); // UDP's ports are others
	// Nobody there.
	to(&a, ip, 7299);
	R(connect(s, &a.sa, n));
	R(send(s, "hello", 5, 0));
	until(s, POLLERR);
	R(opt(s, SOL_SOCKET, SO_ERROR));
	m = sizeof a;
	R(getpeername(s, &a.sa, &m));
	snmp("/proc/net/snmp", "UdpLite");
	snmp("/proc/net/snmp6", "UdpLite");
	snmp("/proc/net/sockstat", "UDPLITE");
	snmp("/proc/net/sockstat6", "UDPLITE");
	FILE *f = fopen(strchr(ip, ':') ? "/proc/net/udplite6" : "/proc/net/udplite", "r");
	char line[300];
	while (fgets(line, sizeof line, f)) {
		char own[60] = "", peer[60] = "", st[20] = "", *e = strrchr(line, ' ');
		sscanf(line, "%*s %59s %59s %19s", own, peer, st);
		printf("  %s %s %s drops %s", own, peer, st, e ? e : "\n");
	}
	fclose(f);
	close(r), close(s), close(k), close(u);
}
static void lites(void) {
	try("127.0.0.1");
	try("::1");
	int s = lite("::", 7200), c = lite("127.0.0.1", 0);
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7200);
	R(sendto(c, "hello", 5, 0, &a.sa, n));
	char b[10];
	n = sizeof a;
	R(recvfrom(s, b, 10, 0, &a.sa, &n));
	R(socket(AF_INET, SOCK_STREAM, LITE) < 0);
}

int main() {
	fresh();
	lites();
}
