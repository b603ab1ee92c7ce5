// needs: root
#include "net.h"
#include <linux/if_packet.h>
#include <net/ethernet.h>

// The options of each kind of socket: their value at first, what becomes of a
// value that is set, and of lengths that are wrong.

struct option {
	int level, name;
	const char *text;
	int value; // to be set
};

#define O(level, name, value) {level, name, #name, value}

static struct option sockets[] = {
	O(SOL_SOCKET, SO_DEBUG, 1), O(SOL_SOCKET, SO_REUSEADDR, 1), O(SOL_SOCKET, SO_TYPE, 1), O(SOL_SOCKET, SO_ERROR, 1),
	O(SOL_SOCKET, SO_DONTROUTE, 1), O(SOL_SOCKET, SO_BROADCAST, 5), O(SOL_SOCKET, SO_SNDBUF, 10000), O(SOL_SOCKET, SO_RCVBUF, 10000),
	O(SOL_SOCKET, SO_SNDBUF, 100000000), O(SOL_SOCKET, SO_RCVBUF, 100000000), O(SOL_SOCKET, SO_SNDBUF, -1), O(SOL_SOCKET, SO_RCVBUF, 0),
	O(SOL_SOCKET, SO_SNDBUFFORCE, 500000), O(SOL_SOCKET, SO_RCVBUFFORCE, 500000),
	O(SOL_SOCKET, SO_KEEPALIVE, 1), O(SOL_SOCKET, SO_OOBINLINE, 1), O(SOL_SOCKET, SO_NO_CHECK, 1), O(SOL_SOCKET, SO_PRIORITY, 6),
	O(SOL_SOCKET, SO_PRIORITY, 99), O(SOL_SOCKET, SO_PRIORITY, -1), O(SOL_SOCKET, SO_REUSEPORT, 1), O(SOL_SOCKET, SO_PASSCRED, 1),
	O(SOL_SOCKET, SO_RCVLOWAT, 5), O(SOL_SOCKET, SO_SNDLOWAT, 5), O(SOL_SOCKET, SO_TIMESTAMP, 1),
	O(SOL_SOCKET, SO_ACCEPTCONN, 1), O(SOL_SOCKET, SO_PEERSEC, 1), O(SOL_SOCKET, SO_PASSSEC, 1), O(SOL_SOCKET, SO_TIMESTAMPNS, 1),
	O(SOL_SOCKET, SO_MARK, 7), O(SOL_SOCKET, SO_TIMESTAMPING, 0x10), O(SOL_SOCKET, SO_TIMESTAMPING, 1 << 30), O(SOL_SOCKET, SO_PROTOCOL, 1),
	O(SOL_SOCKET, SO_DOMAIN, 1), O(SOL_SOCKET, SO_RXQ_OVFL, 1), O(SOL_SOCKET, SO_PEEK_OFF, 3), O(SOL_SOCKET, SO_NOFCS, 1),
	O(SOL_SOCKET, SO_LOCK_FILTER, 0), O(SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1), O(SOL_SOCKET, SO_BUSY_POLL, 50), O(SOL_SOCKET, SO_BUSY_POLL, -1),
	O(SOL_SOCKET, SO_MAX_PACING_RATE, 1000000), O(SOL_SOCKET, SO_INCOMING_NAPI_ID, 1), O(SOL_SOCKET, SO_ZEROCOPY, 1),
	O(SOL_SOCKET, SO_ZEROCOPY, 2), O(SOL_SOCKET, SO_DETACH_FILTER, 0), O(SOL_SOCKET, SO_PREFER_BUSY_POLL, 1), O(SOL_SOCKET, SO_BUSY_POLL_BUDGET, 8),
	O(SOL_SOCKET, SO_RESERVE_MEM, 0), O(SOL_SOCKET, SO_RCVMARK, 1), O(SOL_SOCKET, 999, 1), O(SOL_SOCKET, SO_BINDTOIFINDEX, 1),
	O(SOL_SOCKET, SO_BINDTOIFINDEX, 77), O(SOL_SOCKET, SO_BINDTOIFINDEX, 0)};

static struct option ip[] = {
	O(IPPROTO_IP, IP_TOS, 0x10), O(IPPROTO_IP, IP_TOS, 0xff), O(IPPROTO_IP, IP_TOS, 0x1ff), O(IPPROTO_IP, IP_TTL, 5), O(IPPROTO_IP, IP_TTL, 0),
	O(IPPROTO_IP, IP_TTL, 256), O(IPPROTO_IP, IP_TTL, -1), O(IPPROTO_IP, IP_HDRINCL, 1), O(IPPROTO_IP, IP_ROUTER_ALERT, 0), O(IPPROTO_IP, IP_RECVOPTS, 1),
	O(IPPROTO_IP, IP_RETOPTS, 1), O(IPPROTO_IP, IP_PKTINFO, 1), O(IPPROTO_IP, IP_MTU_DISCOVER, 0), O(IPPROTO_IP, IP_MTU_DISCOVER, 3),
	O(IPPROTO_IP, IP_MTU_DISCOVER, 5), O(IPPROTO_IP, IP_MTU_DISCOVER, 6), O(IPPROTO_IP, IP_RECVERR, 1), O(IPPROTO_IP, IP_RECVTTL, 1), O(IPPROTO_IP, IP_RECVTOS, 1),
	O(IPPROTO_IP, IP_MTU, 1), O(IPPROTO_IP, IP_FREEBIND, 1), O(IPPROTO_IP, IP_PASSSEC, 1), O(IPPROTO_IP, IP_TRANSPARENT, 1), O(IPPROTO_IP, IP_ORIGDSTADDR, 1),
	O(IPPROTO_IP, IP_MINTTL, 10), O(IPPROTO_IP, IP_MINTTL, 256), O(IPPROTO_IP, IP_NODEFRAG, 1), O(IPPROTO_IP, IP_CHECKSUM, 1), O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
	O(IPPROTO_IP, IP_RECVFRAGSIZE, 1), O(IPPROTO_IP, IP_RECVERR_RFC4884, 1), O(IPPROTO_IP, IP_MULTICAST_TTL, 5), O(IPPROTO_IP, IP_MULTICAST_TTL, -1),
	O(IPPROTO_IP, IP_MULTICAST_TTL, 256), O(IPPROTO_IP, IP_MULTICAST_LOOP, 0), O(IPPROTO_IP, IP_MULTICAST_ALL, 0), O(IPPROTO_IP, IP_MULTICAST_ALL, 2),
	O(IPPROTO_IP, IP_UNICAST_IF, 0x01000000), O(IPPROTO_IP, 51, 0x20001)};

static struct option ip6[] = {
	O(IPPROTO_IPV6, IPV6_V6ONLY, 1), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256),
	O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 9), O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0), O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 2), O(IPPROTO_IPV6, IPV6_MULTICAST_IF, 1),
	O(IPPROTO_IPV6, IPV6_MULTICAST_IF, 77), O(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0), O(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 6), O(IPPROTO_IPV6, IPV6_MTU, 1400),
	O(IPPROTO_IPV6, IPV6_MTU, 1000), O(IPPROTO_IPV6, IPV6_RECVERR, 1), O(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1), O(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1),
	O(IPPROTO_IPV6, IPV6_RECVRTHDR, 1), O(IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1), O(IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1), O(IPPROTO_IPV6, IPV6_RECVTCLASS, 1),
	O(IPPROTO_IPV6, IPV6_TCLASS, 0x20), O(IPPROTO_IPV6, IPV6_TCLASS, -1), O(IPPROTO_IPV6, IPV6_TCLASS, 256), O(IPPROTO_IPV6, IPV6_DONTFRAG, 1),
	O(IPPROTO_IPV6, IPV6_RECVPATHMTU, 1), O(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1), O(IPPROTO_IPV6, IPV6_FREEBIND, 1), O(IPPROTO_IPV6, IPV6_TRANSPARENT, 1),
	O(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1), O(IPPROTO_IPV6, IPV6_MINHOPCOUNT, 10), O(IPPROTO_IPV6, IPV6_UNICAST_IF, 0x01000000),
	O(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0), O(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1)};

static struct option tcp[] = {
	O(IPPROTO_TCP, TCP_NODELAY, 1), O(IPPROTO_TCP, TCP_MAXSEG, 1000), O(IPPROTO_TCP, TCP_MAXSEG, 10), O(IPPROTO_TCP, TCP_CORK, 1), O(IPPROTO_TCP, TCP_KEEPIDLE, 100),
	O(IPPROTO_TCP, TCP_KEEPIDLE, 0), O(IPPROTO_TCP, TCP_KEEPIDLE, 40000), O(IPPROTO_TCP, TCP_KEEPINTVL, 7), O(IPPROTO_TCP, TCP_KEEPINTVL, 0), O(IPPROTO_TCP, TCP_KEEPCNT, 3),
	O(IPPROTO_TCP, TCP_KEEPCNT, 128), O(IPPROTO_TCP, TCP_SYNCNT, 3), O(IPPROTO_TCP, TCP_SYNCNT, 0), O(IPPROTO_TCP, TCP_LINGER2, 20), O(IPPROTO_TCP, TCP_LINGER2, -1),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT, 5), O(IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000), O(IPPROTO_TCP, TCP_QUICKACK, 0), O(IPPROTO_TCP, TCP_QUICKACK, 1),
	O(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1), O(IPPROTO_TCP, TCP_THIN_DUPACK, 1), O(IPPROTO_TCP, TCP_USER_TIMEOUT, 3000),
	O(IPPROTO_TCP, TCP_USER_TIMEOUT, -1), O(IPPROTO_TCP, TCP_FASTOPEN, 5), O(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), O(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1000),
	O(IPPROTO_TCP, TCP_SAVE_SYN, 1), O(IPPROTO_TCP, TCP_INQ, 1), O(IPPROTO_TCP, TCP_INQ, 2), O(IPPROTO_TCP, 999, 1)};

static struct option udp[] = {
	O(IPPROTO_UDP, UDP_CORK, 1), O(IPPROTO_UDP, UDP_CORK, 0), O(IPPROTO_UDP, UDP_NO_CHECK6_TX, 1), O(IPPROTO_UDP, UDP_NO_CHECK6_RX, 1), O(IPPROTO_UDP, UDP_SEGMENT, 1000),
	O(IPPROTO_UDP, UDP_SEGMENT, 70000), O(IPPROTO_UDP, UDP_GRO, 1), O(IPPROTO_UDP, UDP_ENCAP, 99), O(IPPROTO_UDP, 999, 1)};

static const char *e(int r) { return r ? strerrorname_np(errno) : "ok"; }

static void value(int s, struct option *o) {
	unsigned char b[64];
	socklen_t n = 4;
	memset(b, 0xee, sizeof b);
	int r = getsockopt(s, o->level, o->name, b, &n);
	if (r)
		printf(" %s", strerrorname_np(errno));
	else
		printf(" %d/%d", *(int *)b, (int)n);
}

static void walk(int family, int type, int protocol, struct option *os, int n) {
	for (int i = 0; i < n; i++) {
		struct option *o = &os[i];
		int s = socket(family, type, protocol);
		if (s < 0) {
			printf("socket %s\n", strerrorname_np(errno));
			return;
		}
		printf("%s %d:", o->text, o->value);
		value(s, o);
		int set = setsockopt(s, o->level, o->name, &o->value, 4);
		printf(" set %s", e(set));
		value(s, o);
		// Short lengths, none, and one that is too long.
		long wide[2] = {o->value, 0};
		printf(" 1:%s", e(setsockopt(s, o->level, o->name, wide, 1)));
		printf(" 3:%s", e(setsockopt(s, o->level, o->name, wide, 3)));
		printf(" 0:%s", e(setsockopt(s, o->level, o->name, wide, 0)));
		printf(" 16:%s", e(setsockopt(s, o->level, o->name, wide, 16)));
		if (!set)
			printf(" bad:%s", e(setsockopt(s, o->level, o->name, (void *)8, 4)));
		unsigned char b[16] = {};
		socklen_t l = 1;
		int r = getsockopt(s, o->level, o->name, b, &l);
		printf(" get1:%s/%d", e(r), r ? 0 : (int)l);
		l = 16;
		r = getsockopt(s, o->level, o->name, b, &l);
		printf(" get16:%s/%d", e(r), r ? 0 : (int)l);
		l = 0;
		r = getsockopt(s, o->level, o->name, b, &l);
		printf(" get0:%s/%d\n", e(r), r ? 0 : (int)l);
		close(s);
	}
}

#define W(family, type, protocol, list)                                        \
	printf("== %s %s %s %s\n", #family, #type, #protocol, #list);          \
	walk(family, type, protocol, list, sizeof list / sizeof *list)

int main(int argc, char **argv) {
	fresh();
	W(AF_INET, SOCK_STREAM, 0, sockets);
	W(AF_INET, SOCK_DGRAM, 0, sockets);
	W(AF_INET, SOCK_RAW, IPPROTO_ICMP, sockets);
	W(AF_INET6, SOCK_STREAM, 0, sockets);
	W(AF_INET, SOCK_STREAM, 0, ip);
	W(AF_INET, SOCK_DGRAM, 0, ip);
	W(AF_INET, SOCK_RAW, 1, ip);
	W(AF_INET6, SOCK_DGRAM, 0, ip);
	W(AF_INET6, SOCK_STREAM, 0, ip6);
	W(AF_INET6, SOCK_DGRAM, 0, ip6);
	W(AF_INET, SOCK_STREAM, 0, ip6);
	W(AF_INET, SOCK_STREAM, 0, tcp);
	W(AF_INET6, SOCK_STREAM, 0, tcp);
	W(AF_INET, SOCK_DGRAM, 0, tcp);
	W(AF_INET, SOCK_DGRAM, 0, udp);
	W(AF_INET, SOCK_STREAM, 0, udp);
}
