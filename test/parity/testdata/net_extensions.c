// needs: root
#include "net.h"
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <grp.h>

// Extension headers of IPv6 that sockets and messages ask for, and how they are
// told; flow labels; and options of AF_UNIX and AF_NETLINK that do something.

#define FLOWLABEL_MGR 32
#define FLOWINFO 11
#define FLOWINFO_SEND 33

struct label_req {
	struct in6_addr dst;
	uint32_t label;
	uint8_t action, share;
	uint16_t flags, expires, linger;
	uint32_t pad;
};

static void received(int s) {
	char b[2000], c[1000];
	struct iovec v = {b, sizeof b};
	struct sockaddr_in6 from = {};
	struct msghdr h = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	int n = recvmsg(s, &h, MSG_DONTWAIT);
	printf("  received %d flow %x:", n, ntohl(from.sin6_flowinfo));
	for (struct cmsghdr *m = n < 0 ? NULL : CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
		printf(" %d/%d", m->cmsg_level, m->cmsg_type);
		for (unsigned i = 0; i < m->cmsg_len - CMSG_LEN(0) && i < 24; i++)
			printf("%s%02x", i ? "" : " ", CMSG_DATA(m)[i]);
	}
	printf("\n");
}

static int with(int s, union addr *a, socklen_t n, int type, void *data, int size) {
	char c[400] = {};
	struct iovec v = {"hello", 5};
	struct msghdr h = {.msg_name = &a->sa, .msg_namelen = n, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_SPACE(size)};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);
	m->cmsg_level = IPPROTO_IPV6, m->cmsg_type = type, m->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(m), data, size);
	return sendmsg(s, &h, 0);
}

static void headers(void) {
	union addr a;
	socklen_t n = in6(&a, "::1", 7200);
	int r = bound(SOCK_DGRAM, "::1", 7200), s = bound(SOCK_DGRAM, "::1", 7201);
	static const int wants[] = {IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR, IPV6_RECVTCLASS, IPV6_RECVHOPLIMIT};
	for (unsigned i = 0; i < sizeof wants / sizeof wants[0]; i++)
		R(setopt(r, IPPROTO_IPV6, wants[i], 1));
	unsigned char pad[16] = {0, 0, 1, 4}, two[16] = {0, 1, 0x1e, 12}, padded[16] = {0, 1, 1, 12}, unknown[8] = {0, 0, 0x1e, 4}, bad[8] = {0, 3};
	R(with(s, &a, n, IPV6_HOPOPTS, pad, 8));
	received(r);
	R(with(s, &a, n, IPV6_DSTOPTS, two, 16));
	received(r);
	R(with(s, &a, n, IPV6_DSTOPTS, unknown, 8));
	received(r);
	R(with(s, &a, n, IPV6_DSTOPTS, padded, 16)); // by more than anything needs
	received(r);
	padded[1] = 0, padded[3] = 4, padded[6] = 1;
	R(with(s, &a, n, IPV6_DSTOPTS, padded, 8)); // and by what is not nought
	received(r);
	R(with(s, &a, n, IPV6_HOPOPTS, bad, 8));
	R(with(s, &a, n, IPV6_HOPOPTS, pad, 1));
	R(with(s, &a, n, IPV6_RTHDR, pad, 8));
	R(with(s, &a, n, IPV6_RTHDRDSTOPTS, pad, 8)); // without a routing header
	received(r);
	R(with(s, &a, n, IPV6_RTHDRDSTOPTS, bad, 8));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_HOPOPTS, pad, 8));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_DSTOPTS, two, 16));
	R(sendto(s, "both", 4, 0, &a.sa, n));
	received(r);
	R(with(s, &a, n, IPV6_DSTOPTS, pad, 8)); // instead of its own
	received(r);
	R(setsockopt(s, IPPROTO_IPV6, IPV6_HOPOPTS, NULL, 0));
	R(sendto(s, "one", 3, 0, &a.sa, n));
	received(r);
	static const int old[] = {IPV6_2292HOPOPTS, IPV6_2292DSTOPTS, IPV6_2292HOPLIMIT, IPV6_2292PKTINFO};
	for (unsigned i = 0; i < sizeof old / sizeof old[0]; i++)
		R(setopt(r, IPPROTO_IPV6, old[i], 1));
	R(setopt(r, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 0));
	R(sendto(s, "old", 3, 0, &a.sa, n));
	received(r);
	static char big[3000];
	struct ifreq q = {.ifr_name = "lo", .ifr_mtu = 1500};
	R(ioctl(s, SIOCSIFMTU, &q));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_HOPOPTS, pad, 8));
	R(setopt(s, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0));
	R(sendto(s, big, sizeof big, 0, &a.sa, n)); // in fragments
	msleep(20);
	R(recv(r, big, sizeof big, MSG_DONTWAIT));
	// A stream's segments have them, too.
	int l = listening("::1", 7202), c = socket(AF_INET6, SOCK_STREAM, 0);
	R(setsockopt(c, IPPROTO_IPV6, IPV6_DSTOPTS, two, 16));
	n = in6(&a, "::1", 7202);
	R(connect(c, &a.sa, n));
	int x = accept(l, NULL, NULL);
	R(send(c, big, sizeof big, 0));
	R(recv(x, big, sizeof big, MSG_WAITALL));
	close(x), close(c), close(l), close(r), close(s);
}

static int lease(int s, uint32_t label, int action, int share, int flags, int linger, int expires) {
	struct label_req q = {.label = htonl(label), .action = action, .share = share, .flags = flags, .linger = linger, .expires = expires};
	inet_pton(AF_INET6, "::1", &q.dst);
	int r = setsockopt(s, IPPROTO_IPV6, FLOWLABEL_MGR, &q, sizeof q);
	if (!r && !label)
		printf("  a label was chosen: %d\n", q.label != 0);
	return r;
}

static int flow_send(int s, uint32_t flow) {
	union addr a;
	socklen_t n = in6(&a, "::1", 7210);
	a.in6.sin6_flowinfo = htonl(flow);
	return sendto(s, "flow", 4, 0, &a.sa, n);
}

static void labels(void) {
	int r = bound(SOCK_DGRAM, "::1", 7210), s = socket(AF_INET6, SOCK_DGRAM, 0), t = socket(AF_INET6, SOCK_DGRAM, 0);
	R(setopt(r, IPPROTO_IPV6, FLOWINFO, 1));
	R(setopt(r, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	R(setopt(s, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	R(setopt(t, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	R(flow_send(s, 0x12345));
	received(r);
	R(lease(s, 0x12345, 0, 255, 0, 0, 0)); // nobody made it
	R(lease(s, 0x12345, 0, 255, 1, 10, 20));
	R(lease(s, 0x12345, 0, 255, 1 | 2, 10, 20));
	R(lease(s, 0x12345, 0, 255, 1, 10, 20)); // held twice, given back twice
	R(lease(s, 0x12345, 0, 255, 0, 10, 20));
	R(lease(s, 0x12345, 1, 0, 0, 0, 0));
	R(lease(s, 0x12345, 1, 0, 0, 0, 0));
	R(lease(t, 0x12345, 0, 1, 1, 10, 20));
	R(lease(t, 0x12345, 0, 255, 0, 10, 20));
	R(lease(t, 0, 0, 255, 1, 10, 20));
	R(lease(s, 0x22222, 0, 1, 1, 10, 20)); // for itself: from here on others need a lease
	R(lease(t, 0x22222, 0, 1, 1, 10, 20));
	R(lease(t, 0x22222, 0, 255, 1, 10, 20));
	R(lease(s, 0x33333, 0, 3, 1, 10, 20));
	R(lease(t, 0x33333, 0, 3, 1, 10, 20));
	R(lease(s, 0x33333, 0, 7, 1, 10, 20));
	R(lease(s, 0x133333, 0, 255, 1, 10, 20));
	R(lease(s, 0x33333, 9, 255, 1, 10, 20));
	R(flow_send(s, 0x22222));
	received(r);
	R(flow_send(t, 0x22222));
	R(flow_send(t, 0x44444));
	R(flow_send(t, 0x12345));
	received(r);
	R(lease(s, 0x22222, 2, 255, 0, 30, 40));
	R(lease(s, 0x55555, 2, 255, 0, 30, 40));
	R(lease(s, 0x22222, 1, 0, 0, 0, 0));
	R(lease(s, 0x22222, 1, 0, 0, 0, 0));
	R(flow_send(s, 0x22222));
	union addr a;
	socklen_t n = in6(&a, "::1", 7210);
	a.in6.sin6_flowinfo = htonl(0x12345);
	R(connect(s, &a.sa, n));
	struct label_req q = {.action = 0};
	n = sizeof q;
	R(getsockopt(s, IPPROTO_IPV6, FLOWLABEL_MGR, &q, &n));
	printf("  %d %x share %d linger %d\n", (int)n, ntohl(q.label), q.share, q.linger);
	q.action = 1;
	R(getsockopt(s, IPPROTO_IPV6, FLOWLABEL_MGR, &q, &n));
	uint32_t flow = htonl(0x12345);
	R(setopt(s, IPPROTO_IPV6, FLOWINFO_SEND, 0));
	in6(&a, "::1", 7210);
	R(with(s, &a, sizeof a.in6, FLOWINFO, &flow, 4));
	received(r);
	close(r), close(s), close(t);
}

static void local(void) {
	int p[2], d[2];
	char b[100];
	R(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	R(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
	R(write(p[0], "abcdef", 6));
	R(setopt(p[1], SOL_SOCKET, SO_PEEK_OFF, 2));
	R(recv(p[1], b, 2, MSG_PEEK));
	printf("  %.2s, then at %d\n", b, opt(p[1], SOL_SOCKET, SO_PEEK_OFF));
	R(recv(p[1], b, 1, 0));
	printf("  %.1s, then at %d\n", b, opt(p[1], SOL_SOCKET, SO_PEEK_OFF));
	R(recv(p[1], b, 10, MSG_PEEK));
	R(recv(p[1], b, 10, MSG_PEEK | MSG_DONTWAIT));
	R(write(d[0], "one", 3));
	R(write(d[0], "three", 5));
	R(setopt(d[1], SOL_SOCKET, SO_PEEK_OFF, 0));
	R(recv(d[1], b, 10, MSG_PEEK));
	R(recv(d[1], b, 10, MSG_PEEK));
	printf("  at %d\n", opt(d[1], SOL_SOCKET, SO_PEEK_OFF));
	R(recv(d[1], b, 10, 0));
	printf("  at %d\n", opt(d[1], SOL_SOCKET, SO_PEEK_OFF));
	R(recv(d[1], b, 10, 0));
	// The groups of the other side.
	gid_t g[3] = {5, 6, 7}, got[10];
	R(setgroups(3, g));
	int q[2];
	R(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
	socklen_t n = 4;
	R(getsockopt(q[0], SOL_SOCKET, SO_PEERGROUPS, got, &n));
	printf("  needs %d\n", (int)n);
	R(getsockopt(q[0], SOL_SOCKET, SO_PEERGROUPS, got, &n));
	printf("  %d: %d %d %d\n", (int)n, got[0], got[1], got[2]);
	// A filter cuts messages, or drops them, and says how long it is.
	struct sock_filter cut[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 'x'}, {BPF_RET | BPF_K, 0, 0, 0}, {BPF_RET | BPF_K, 0, 0, 2}};
	struct sock_fprog f = {4, cut};
	R(setsockopt(d[1], SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f));
	R(write(d[0], "xyz", 3));
	R(write(d[0], "abc", 3));
	R(recv(d[1], b, 10, MSG_DONTWAIT));
	R(recv(d[1], b, 10, MSG_DONTWAIT));
	n = 0;
	R(getsockopt(d[1], SOL_SOCKET, SO_GET_FILTER, got, &n));
	printf("  %d instructions\n", (int)n);
	R(setopt(d[1], SOL_SOCKET, SO_DETACH_FILTER, 0));
	// When a message was sent.
	R(setopt(d[1], SOL_SOCKET, SO_TIMESTAMP, 1));
	R(write(d[0], "when", 4));
	char c[100];
	struct iovec v = {b, sizeof b};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	R(recvmsg(d[1], &h, 0));
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);
	printf("  %d %d %d\n", m ? m->cmsg_level : 0, m ? m->cmsg_type : 0, m ? (int)m->cmsg_len : 0);
	// Netlink's messages are filtered, too: this one lets nothing through.
	struct sock_filter none[] = {{BPF_RET | BPF_K, 0, 0, 0}};
	f = (struct sock_fprog){1, none};
	int k = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), k2 = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
	struct sockaddr_nl na = {.nl_family = AF_NETLINK, .nl_pid = 77777};
	R(bind(k, (void *)&na, sizeof na));
	R(sendto(k2, "hello", 5, 0, (void *)&na, sizeof na));
	R(recv(k, b, sizeof b, MSG_DONTWAIT));
	R(setsockopt(k, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f));
	R(sendto(k2, "hello", 5, 0, (void *)&na, sizeof na));
	R(recv(k, b, sizeof b, MSG_DONTWAIT));
}

// frames prints the packets of IPv6 that left since, without what differs between two
// runs: label, ports of streams, sequence numbers, identifications.
static void frames(int k) {
	unsigned char b[4000];
	struct sockaddr_ll ll;
	socklen_t ln = sizeof ll;
	for (int n; (n = recvfrom(k, b, sizeof b, MSG_DONTWAIT | MSG_TRUNC, (void *)&ll, &ln)) > 0; ln = sizeof ll) {
		if (ll.sll_pkttype != PACKET_OUTGOING || ntohs(ll.sll_protocol) != 0x86dd)
			continue;
		printf("  %d bytes, next %d, to ", n, b[6]);
		char ip[64];
		puts(inet_ntop(AF_INET6, b + 24, ip, sizeof ip));
		int at = 40, next = b[6];
		while ((next == 0 || next == 43 || next == 60 || next == 44) && at < n) {
			int size = next == 44 ? 8 : 8 + b[at + 1] * 8;
			printf("    %d:", next);
			for (int i = 0; i < size && i < (next == 44 ? 4 : 60); i++)
				printf(" %02x", b[at + i]);
			puts("");
			next = b[at], at += size;
			if (size == 8 && next == 44)
				break;
		}
	}
}

static void skip(int k) {
	char b[10];
	while (recv(k, b, sizeof b, MSG_DONTWAIT) >= 0)
		;
}

// Routing headers: of segments, as Linux takes them without being built for Mobile IPv6.
static void routes(void) {
	union addr a;
	char got[300];
	unsigned char h[256] = {0, 4, 4, 1, 1}, tlv[56] = {0, 6, 4, 1, 1}, two[24] = {0, 2, 2, 1}, pad[8] = {0, 0, 1, 4}, dst[8] = {0, 0, 1, 4};
	inet_pton(AF_INET6, "fd00::9", h + 8);
	inet_pton(AF_INET6, "::1", h + 24);
	memcpy(tlv + 8, h + 8, 32);
	inet_pton(AF_INET6, "fd00::9", two + 8);
	int r = bound(SOCK_DGRAM, "::1", 7220), s = bound(SOCK_DGRAM, "::1", 7221), k = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	R(setopt(s, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0));
	socklen_t n = in6(&a, "::1", 7220), m;
	// What is taken.
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, two, 24));
	for (int type = 0; type < 6; type++) {
		h[2] = type;
		R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 40));
	}
	h[2] = 4;
	for (int left = 0; left < 4; left++)
		for (int last = 0; last < 3; last++) {
			h[3] = left, h[4] = last;
			R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 40));
		}
	h[3] = 1, h[4] = 1;
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 48));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 32));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 8));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 2048));
	for (int len = 12; len < 18; len++) {
		tlv[40] = 4, tlv[41] = len;
		R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, tlv, 56));
	}
	tlv[41] = 14;
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, tlv, 56));
	m = sizeof got;
	R(getsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, got, &m));
	printf("  %d same %d\n", (int)m, !memcmp(got, tlv, m));
	// What is sent, and that it does not come through.
	R(sendto(s, "hello", 5, 0, &a.sa, n));
	frames(k);
	received(r);
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 40));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, dst, 8));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_HOPOPTS, pad, 8));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_DSTOPTS, pad, 8));
	R(sendto(s, "hello", 5, 0, &a.sa, n));
	frames(k);
	in6(&a, "fd00::77", 7220); // nobody knows the way there, but to the first stop
	R(sendto(s, "hello", 5, 0, &a.sa, n));
	frames(k);
	R(with(s, &a, n, IPV6_DSTOPTS, pad, 8)); // instead of all of its own
	R(connect(s, &a.sa, n));
	union addr me;
	m = sizeof me;
	R(getpeername(s, &me.sa, &m));
	printf("  peer %s\n", text(&me, m));
	R(send(s, "hello", 5, 0));
	skip(k); // Linux forgets where a connected one's packets go in the end
	R(with(s, &a, n, IPV6_RTHDR, h, 40));
	R(with(s, &a, n, IPV6_RTHDR, two, 24));
	R(with(s, &a, n, IPV6_2292RTHDR, two, 24));
	h[3] = 0;
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 40)); // the last stop is the first one
	R(send(s, "hello", 5, 0));
	h[3] = 1;
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, h, 40));
	static char big[65527];
	R(setopt(s, IPPROTO_IPV6, IPV6_MTU, 1280));
	R(sendto(s, big, 3000, 0, &a.sa, n));
	R(send(s, big, 65527, 0));
	R(send(s, big, 65527 - 64 + 1, 0));
	R(setopt(s, IPPROTO_IPV6, IPV6_MTU, 0));
	frames(k);
	R(sendto(s, big, 65527 - 64 - 8, 0, &a.sa, n)); // Linux counts the last options twice
	skip(k);
	R(setsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, NULL, 0));
	m = sizeof got;
	R(getsockopt(s, IPPROTO_IPV6, IPV6_RTHDR, got, &m));
	printf("  %d\n", (int)m);
	R(send(s, "hello", 5, 0));
	frames(k);
	// A stream, a raw socket and pings.
	int c = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	R(setsockopt(c, IPPROTO_IPV6, IPV6_RTHDR, h, 40));
	in6(&a, "fd00::78", 7220);
	R(connect(c, &a.sa, n));
	msleep(5);
	frames(k);
	int w = socket(AF_INET6, SOCK_RAW, 200);
	R(setsockopt(w, IPPROTO_IPV6, IPV6_RTHDR, h, 40));
	R(setopt(w, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0));
	in6(&a, "fd00::79", 0);
	R(sendto(w, "hello", 5, 0, &a.sa, n));
	frames(k);
	// What arrives with one that nobody is left of, or of a kind that is not known.
	unsigned char p[72] = {0x60, 0, 0, 0, 0, 32, 43, 64};
	p[39] = p[23] = 1;
	int ip = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW), e = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	R(setopt(r, IPPROTO_IPV6, IPV6_RECVRTHDR, 1));
	for (int type = 0; type < 6; type++)
		for (int left = 0; left < 2; left++) {
			memset(p + 40, 0, 32);
			p[40] = 17, p[41] = 2, p[42] = type, p[43] = left, p[63] = 1;
			p[4] = 0, p[5] = 24 + 8 + 4;
			unsigned char all[76];
			memcpy(all, p, 72);
			memcpy(all + 64, (unsigned char[]){0x1c, 0x35, 0x1c, 0x34, 0, 12, 0, 0, 'a', 'b', 'c', 'd'}, 12);
			unsigned sum = 17 + 12 + 1 + 1;
			for (int i = 64; i < 76; i += 2)
				sum += all[i] << 8 | all[i + 1];
			sum = (sum & 0xffff) + (sum >> 16), sum = ~sum & 0xffff;
			all[70] = sum >> 8, all[71] = sum;
			in6(&a, "::1", 0);
			printf("type %d, %d left\n", type, left);
			R(sendto(ip, all, sizeof all, 0, &a.sa, n));
			msleep(2);
			received(r);
			while ((m = recv(e, got, sizeof got, MSG_DONTWAIT)) + 1 > 0)
				if (got[0] < 100)
					printf("  icmp %d %d at %d\n", got[0], got[1], got[7]);
			frames(k);
		}
}

int main() {
	fresh();
	headers();
	labels();
	local();
	routes();
}
