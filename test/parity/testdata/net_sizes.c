// What is told of sizes: of the fragments that a datagram came in, and of a path
// that a datagram was too long for.
// needs: root
#include "net.h"

enum { frag4 = 25, frag6 = 77 };

static void message(int s) {
	char b[9000], ctl[300];
	union addr a;
	memset(&a, 0, sizeof a);
	struct iovec v = {b, sizeof b};
	struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	int n = recvmsg(s, &m, MSG_DONTWAIT);
	if (n < 0) {
		printf("  nothing: %s\n", strerrorname_np(errno));
		return;
	}
	if (a.sa.sa_family == AF_INET6 && a.in6.sin6_port)
		a.in6.sin6_port = htons(1);
	if (a.sa.sa_family == AF_INET)
		a.in.sin_port = htons(1);
	printf("  %d bytes, flags %x from %s\n", n, m.msg_flags, text(&a, m.msg_namelen));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		printf("    level %d type %d length %d:", c->cmsg_level, c->cmsg_type, (int)(c->cmsg_len - CMSG_LEN(0)));
		if (c->cmsg_type == IPV6_PATHMTU && c->cmsg_level == SOL_IPV6) {
			struct ip6_mtuinfo {
				struct sockaddr_in6 to;
				unsigned mtu;
			} *i = (void *)CMSG_DATA(c);
			union addr to = {.in6 = i->to};
			printf(" %s takes %u\n", text(&to, sizeof i->to), i->mtu);
		} else
			printf(" %d\n", *(int *)CMSG_DATA(c));
	}
}

int main() {
	fresh();
	char b[9000] = {};
	int u4 = bound(SOCK_DGRAM, "127.0.0.1", 7000), u6 = bound(SOCK_DGRAM, "::1", 7000), dual = bound(SOCK_DGRAM, "::", 7001);
	int c4 = dial(SOCK_DGRAM, "127.0.0.1", 7000), c6 = dial(SOCK_DGRAM, "::1", 7000), d4 = dial(SOCK_DGRAM, "127.0.0.1", 7001);
	struct ifreq r = {.ifr_name = "lo", .ifr_mtu = 1500};
	R(ioctl(u4, SIOCSIFMTU, &r));
	R(setopt(u4, SOL_IP, frag4, 1));
	R(setopt(u6, SOL_IPV6, frag6, 1));
	R(setopt(dual, SOL_IP, frag4, 1));
	R(setopt(c4, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT));
	R(setopt(d4, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT));
	for (int n = 1000; n < 9000; n += 3000) {
		R(send(c4, b, n, 0));
		R(send(c6, b, n, 0));
		R(send(d4, b, n, 0));
		usleep(10000);
		message(u4), message(u6), message(dual);
	}
	// A raw socket sees the datagram whole too.
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	R(setopt(raw, SOL_IP, frag4, 1));
	R(send(c4, b, 2000, 0));
	usleep(10000);
	message(raw);
	message(u4);
	R(setopt(listening("127.0.0.1", 7002), SOL_IP, frag4, 1));
	// Paths.
	R(setopt(c6, SOL_IPV6, IPV6_RECVPATHMTU, 1));
	R(send(c6, b, 4000, 0));
	message(c6);
	R(setopt(c6, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO));
	R(send(c6, b, 4000, 0));
	message(c6);
	R(setopt(c6, SOL_IPV6, IPV6_DONTFRAG, 1));
	R(send(c6, b, 4000, 0));
	R(send(c6, b, 5000, 0));
	E(c6);
	message(c6);
	message(c6);
	R(setopt(c6, SOL_IPV6, IPV6_RECVERR, 1));
	R(send(c6, b, 1453, 0));
	E(c6);
	message(c6);
	message(c6);
	R(send(c6, b, 1452, 0));
	// It is not for who does not ask.
	R(send(c6, b, 1453, 0));
	R(setopt(c6, SOL_IPV6, IPV6_RECVPATHMTU, 0));
	message(c6);
	int r6 = socket(AF_INET6, SOCK_RAW, 200);
	union addr to6;
	socklen_t l = in6(&to6, "::1", 0);
	R(setopt(r6, SOL_IPV6, IPV6_DONTFRAG, 1));
	R(setopt(r6, SOL_IPV6, IPV6_RECVPATHMTU, 1));
	R(sendto(r6, b, 3000, 0, &to6.sa, l));
	message(r6);
}
