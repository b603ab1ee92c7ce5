// needs: root
#include "net.h"

static void got(int s) {
	char b[100];
	union addr a;
	socklen_t n = sizeof a;
	memset(b, 0, sizeof b);
	int r = recvfrom(s, b, 100, MSG_DONTWAIT, &a.sa, &n);
	if (r < 0)
		printf("  nothing: %s\n", strerrorname_np(errno));
	else
		printf("  %s\n", b);
}

static void four() {
	int s = bound(SOCK_DGRAM, "0.0.0.0", 7000), c = socket(AF_INET, SOCK_DGRAM, 0);
	union addr a;
	socklen_t n = in4(&a, "224.1.2.3", 7000);
	R(sendto(c, "no route", 8, 0, &a.sa, n));
	struct ip_mreqn m = {.imr_ifindex = if_nametoindex("lo")};
	R(setsockopt(c, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m));
	R(sendto(c, "not joined", 10, 0, &a.sa, n));
	got(s);
	inet_pton(AF_INET, "224.1.2.3", &m.imr_multiaddr);
	R(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	R(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	R(sendto(c, "joined", 6, 0, &a.sa, n));
	got(s);
	R(setopt(c, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
	R(sendto(c, "no loop", 7, 0, &a.sa, n));
	got(s);
	R(setopt(c, IPPROTO_IP, IP_MULTICAST_LOOP, 1));
	// Another socket of the group hears too, and one that asks for its own only does not.
	int t = bound(SOCK_DGRAM, "0.0.0.0", 7000);
	R(sendto(c, "two", 3, 0, &a.sa, n));
	got(s), got(t);
	R(setopt(t, IPPROTO_IP, IP_MULTICAST_ALL, 0));
	R(sendto(c, "own groups", 10, 0, &a.sa, n));
	got(s), got(t);
	R(setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
	R(setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
	R(sendto(c, "left", 4, 0, &a.sa, n));
	got(s);
	// What is no group.
	inet_pton(AF_INET, "10.1.2.3", &m.imr_multiaddr);
	R(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	inet_pton(AF_INET, "224.1.2.3", &m.imr_multiaddr);
	m.imr_ifindex = 99;
	R(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	R(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, 4));
	// Sources.
	struct ip_mreq_source q = {};
	inet_pton(AF_INET, "224.1.2.3", &q.imr_multiaddr);
	inet_pton(AF_INET, "127.0.0.1", &q.imr_interface);
	inet_pton(AF_INET, "127.0.0.1", &q.imr_sourceaddr);
	R(setsockopt(s, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &q, sizeof q));
	R(sendto(c, "source", 6, 0, &a.sa, n));
	got(s);
	R(setsockopt(s, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &q, sizeof q));
	close(s), close(t), close(c);
}

static void six() {
	int s = bound(SOCK_DGRAM, "::", 7000), c = socket(AF_INET6, SOCK_DGRAM, 0);
	union addr a;
	socklen_t n = in6(&a, "ff02::1:2:3", 7000);
	int lo = if_nametoindex("lo");
	R(setopt(c, IPPROTO_IPV6, IPV6_MULTICAST_IF, lo));
	struct ipv6_mreq m = {.ipv6mr_interface = lo};
	inet_pton(AF_INET6, "ff02::1:2:3", &m.ipv6mr_multiaddr);
	R(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
	R(setopt(c, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0));
	R(setopt(c, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m));
	R(setsockopt(s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m));
	inet_pton(AF_INET6, "2001:db8::1", &m.ipv6mr_multiaddr);
	R(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
	// Protocol-independent.
	struct group_req g = {.gr_interface = lo};
	union addr x;
	n = in6(&x, "ff02::99", 0);
	memcpy(&g.gr_group, &x, n);
	R(setsockopt(s, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof g));
	n = in6(&a, "ff02::99", 7000);
	R(setsockopt(s, IPPROTO_IPV6, MCAST_LEAVE_GROUP, &g, sizeof g));
	close(s), close(c);
}

// A stream may join a group by the options for both families, and not by those of one.
static void stream() {
	int t = socket(AF_INET, SOCK_STREAM, 0), t6 = socket(AF_INET6, SOCK_STREAM, 0);
	struct ip_mreq m = {{inet_addr("224.0.0.7")}, {inet_addr("127.0.0.1")}};
	struct ip_mreq_source ms = {{inet_addr("224.0.0.7")}, {inet_addr("127.0.0.1")}, {inet_addr("1.2.3.4")}};
	struct ipv6_mreq m6 = {.ipv6mr_interface = 1};
	inet_pton(AF_INET6, "ff02::77", &m6.ipv6mr_multiaddr);
	struct group_req g = {1}, g6 = {1};
	in4((union addr *)&g.gr_group, "224.0.0.8", 0);
	in6((union addr *)&g6.gr_group, "ff02::78", 0);
	R(setsockopt(t, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	R(setsockopt(t, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
	R(setsockopt(t, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &ms, sizeof ms));
	R(setsockopt(t, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &ms, sizeof ms));
	R(setsockopt(t, IPPROTO_IP, IP_BLOCK_SOURCE, &ms, sizeof ms));
	R(setsockopt(t, IPPROTO_IP, MCAST_JOIN_GROUP, &g, sizeof g));
	R(setsockopt(t, IPPROTO_IP, MCAST_JOIN_GROUP, &g, sizeof g));
	R(setsockopt(t, IPPROTO_IP, MCAST_LEAVE_GROUP, &g, sizeof g));
	R(setsockopt(t, IPPROTO_IP, MCAST_LEAVE_GROUP, &g, sizeof g));
	R(setsockopt(t6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m6, sizeof m6));
	R(setsockopt(t6, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m6, sizeof m6));
	R(setsockopt(t6, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g6, sizeof g6));
	R(setsockopt(t6, IPPROTO_IPV6, MCAST_LEAVE_GROUP, &g6, sizeof g6));
	close(t), close(t6);
}

int main() {
	fresh();
	four();
	six();
	stream();
}
