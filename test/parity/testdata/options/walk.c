// Every option of the kernel's headers over every kind of socket: its value at
// first, and what becomes of it when lengths and values of all kinds are set. A
// line is of one socket and one option: options_test.go compares them one by one,
// and sees to it that none of the headers is absent here.
#include "../net.h"
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/ethernet.h>

struct option {
	int level, name;
	const char *text;
};

#define S(name) {SOL_SOCKET, name, #name}
#define I(name) {IPPROTO_IP, name, #name}
#define V(name) {IPPROTO_IPV6, name, #name}
#define T(name) {IPPROTO_TCP, name, #name}
#define U(name) {IPPROTO_UDP, name, #name}
#define P(name) {263, name, #name}
#define N(name) {270, name, #name}

// What linux/in6.h has and the C library's headers lack.
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef IPV6_FLOWLABEL_MGR
#define IPV6_FLOWLABEL_MGR 32
#endif
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef IPV6_USE_MIN_MTU
#define IPV6_USE_MIN_MTU 63
#endif

// What headers of today have and those of the machine may lack.
enum {
	so_passpidfd = 76, so_peerpidfd = 77, so_devmem_linear = 78, so_devmem_dmabuf = 79, so_devmem_dontneed = 80, scm_ts_opt_id = 81,
	so_rcvpriority = 82, so_passrights = 83, so_inq = 84, so_none = 150,
	ip_local_port_range = 51, ip_protocol = 52,
	tcp_ao_add_key = 38, tcp_ao_del_key = 39, tcp_ao_info = 40, tcp_ao_get_keys = 41, tcp_ao_repair = 42, tcp_is_mptcp = 43, tcp_rto_max_ms = 44,
	tcp_rto_min_us = 45, tcp_delack_max_us = 46,
	packet_vnet_hdr_sz = 24,
	icmp_filter = 1, icmp6_filter = 1,
};

static struct option options[] = {
	S(SO_DEBUG), S(SO_REUSEADDR), S(SO_TYPE), S(SO_ERROR), S(SO_DONTROUTE), S(SO_BROADCAST), S(SO_SNDBUF), S(SO_RCVBUF), S(SO_SNDBUFFORCE),
	S(SO_RCVBUFFORCE), S(SO_KEEPALIVE), S(SO_OOBINLINE), S(SO_NO_CHECK), S(SO_PRIORITY), S(SO_LINGER), S(SO_BSDCOMPAT), S(SO_REUSEPORT),
	S(SO_PASSCRED), S(SO_PEERCRED), S(SO_RCVLOWAT), S(SO_SNDLOWAT), S(SO_RCVTIMEO_OLD), S(SO_SNDTIMEO_OLD), S(SO_SECURITY_AUTHENTICATION),
	S(SO_SECURITY_ENCRYPTION_TRANSPORT), S(SO_SECURITY_ENCRYPTION_NETWORK), S(SO_BINDTODEVICE), S(SO_ATTACH_FILTER), S(SO_DETACH_FILTER),
	S(SO_PEERNAME), S(SO_ACCEPTCONN), S(SO_PEERSEC), S(SO_PASSSEC), S(SO_MARK), S(SO_PROTOCOL), S(SO_DOMAIN), S(SO_RXQ_OVFL), S(SO_WIFI_STATUS),
	S(SO_PEEK_OFF), S(SO_NOFCS), S(SO_LOCK_FILTER), S(SO_SELECT_ERR_QUEUE), S(SO_BUSY_POLL), S(SO_MAX_PACING_RATE), S(SO_BPF_EXTENSIONS),
	S(SO_INCOMING_CPU), S(SO_ATTACH_BPF), S(SO_ATTACH_REUSEPORT_CBPF), S(SO_ATTACH_REUSEPORT_EBPF), S(SO_CNX_ADVICE),
	S(SCM_TIMESTAMPING_OPT_STATS), S(SO_MEMINFO), S(SO_INCOMING_NAPI_ID), S(SO_COOKIE), S(SCM_TIMESTAMPING_PKTINFO), S(SO_PEERGROUPS),
	S(SO_ZEROCOPY), S(SO_TXTIME), S(SO_BINDTOIFINDEX), S(SO_TIMESTAMP_OLD), S(SO_TIMESTAMPNS_OLD), S(SO_TIMESTAMPING_OLD), S(SO_TIMESTAMP_NEW),
	S(SO_TIMESTAMPNS_NEW), S(SO_TIMESTAMPING_NEW), S(SO_RCVTIMEO_NEW), S(SO_SNDTIMEO_NEW), S(SO_DETACH_REUSEPORT_BPF), S(SO_PREFER_BUSY_POLL),
	S(SO_BUSY_POLL_BUDGET), S(SO_NETNS_COOKIE), S(SO_BUF_LOCK), S(SO_RESERVE_MEM), S(SO_TXREHASH), S(SO_RCVMARK), S(so_passpidfd), S(so_peerpidfd),
	S(so_devmem_linear), S(so_devmem_dmabuf), S(so_devmem_dontneed), S(scm_ts_opt_id), S(so_rcvpriority), S(so_passrights), S(so_inq), S(so_none),

	I(IP_TOS), I(IP_TTL), I(IP_HDRINCL), I(IP_OPTIONS), I(IP_ROUTER_ALERT), I(IP_RECVOPTS), I(IP_RETOPTS), I(IP_PKTINFO), I(IP_PKTOPTIONS),
	I(IP_MTU_DISCOVER), I(IP_RECVERR), I(IP_RECVTTL), I(IP_RECVTOS), I(IP_MTU), I(IP_FREEBIND), I(IP_IPSEC_POLICY), I(IP_XFRM_POLICY), I(IP_PASSSEC),
	I(IP_TRANSPARENT), I(IP_ORIGDSTADDR), I(IP_MINTTL), I(IP_NODEFRAG), I(IP_CHECKSUM), I(IP_BIND_ADDRESS_NO_PORT), I(IP_RECVFRAGSIZE),
	I(IP_RECVERR_RFC4884), I(IP_MULTICAST_IF), I(IP_MULTICAST_TTL), I(IP_MULTICAST_LOOP), I(IP_ADD_MEMBERSHIP), I(IP_DROP_MEMBERSHIP),
	I(IP_UNBLOCK_SOURCE), I(IP_BLOCK_SOURCE), I(IP_ADD_SOURCE_MEMBERSHIP), I(IP_DROP_SOURCE_MEMBERSHIP), I(IP_MSFILTER), I(MCAST_JOIN_GROUP),
	I(MCAST_BLOCK_SOURCE), I(MCAST_UNBLOCK_SOURCE), I(MCAST_LEAVE_GROUP), I(MCAST_JOIN_SOURCE_GROUP), I(MCAST_LEAVE_SOURCE_GROUP),
	I(MCAST_MSFILTER), I(IP_MULTICAST_ALL), I(IP_UNICAST_IF), I(ip_local_port_range), I(ip_protocol), {IPPROTO_IP, so_none, "ip_none"},

	V(IPV6_ADDRFORM), V(IPV6_2292PKTINFO), V(IPV6_2292HOPOPTS), V(IPV6_2292DSTOPTS), V(IPV6_2292RTHDR), V(IPV6_2292PKTOPTIONS), V(IPV6_CHECKSUM),
	V(IPV6_2292HOPLIMIT), V(IPV6_NEXTHOP), V(IPV6_AUTHHDR), V(IPV6_FLOWINFO), V(IPV6_UNICAST_HOPS), V(IPV6_MULTICAST_IF), V(IPV6_MULTICAST_HOPS),
	V(IPV6_MULTICAST_LOOP), V(IPV6_ADD_MEMBERSHIP), V(IPV6_DROP_MEMBERSHIP), V(IPV6_ROUTER_ALERT), V(IPV6_MTU_DISCOVER), V(IPV6_MTU), V(IPV6_RECVERR),
	V(IPV6_V6ONLY), V(IPV6_JOIN_ANYCAST), V(IPV6_LEAVE_ANYCAST), V(IPV6_MULTICAST_ALL), V(IPV6_ROUTER_ALERT_ISOLATE), V(IPV6_RECVERR_RFC4884),
	V(IPV6_FLOWLABEL_MGR), V(IPV6_FLOWINFO_SEND), V(IPV6_IPSEC_POLICY), V(IPV6_XFRM_POLICY), V(IPV6_HDRINCL), V(MCAST_JOIN_GROUP),
	V(MCAST_BLOCK_SOURCE), V(MCAST_UNBLOCK_SOURCE), V(MCAST_LEAVE_GROUP), V(MCAST_JOIN_SOURCE_GROUP), V(MCAST_LEAVE_SOURCE_GROUP),
	V(MCAST_MSFILTER), V(IPV6_RECVPKTINFO), V(IPV6_PKTINFO), V(IPV6_RECVHOPLIMIT), V(IPV6_HOPLIMIT), V(IPV6_RECVHOPOPTS), V(IPV6_HOPOPTS),
	V(IPV6_RTHDRDSTOPTS), V(IPV6_RECVRTHDR), V(IPV6_RTHDR), V(IPV6_RECVDSTOPTS), V(IPV6_DSTOPTS), V(IPV6_RECVPATHMTU), V(IPV6_PATHMTU),
	V(IPV6_DONTFRAG), V(IPV6_USE_MIN_MTU), V(IPV6_RECVTCLASS), V(IPV6_TCLASS), V(IPV6_AUTOFLOWLABEL), V(IPV6_ADDR_PREFERENCES), V(IPV6_MINHOPCOUNT),
	V(IPV6_ORIGDSTADDR), V(IPV6_TRANSPARENT), V(IPV6_UNICAST_IF), V(IPV6_RECVFRAGSIZE), V(IPV6_FREEBIND), {IPPROTO_IPV6, so_none, "ipv6_none"},

	T(TCP_NODELAY), T(TCP_MAXSEG), T(TCP_CORK), T(TCP_KEEPIDLE), T(TCP_KEEPINTVL), T(TCP_KEEPCNT), T(TCP_SYNCNT), T(TCP_LINGER2),
	T(TCP_DEFER_ACCEPT), T(TCP_WINDOW_CLAMP), T(TCP_INFO), T(TCP_QUICKACK), T(TCP_CONGESTION), T(TCP_MD5SIG), T(TCP_THIN_LINEAR_TIMEOUTS),
	T(TCP_THIN_DUPACK), T(TCP_USER_TIMEOUT), T(TCP_REPAIR), T(TCP_REPAIR_QUEUE), T(TCP_QUEUE_SEQ), T(TCP_REPAIR_OPTIONS), T(TCP_FASTOPEN),
	T(TCP_TIMESTAMP), T(TCP_NOTSENT_LOWAT), T(TCP_CC_INFO), T(TCP_SAVE_SYN), T(TCP_SAVED_SYN), T(TCP_REPAIR_WINDOW), T(TCP_FASTOPEN_CONNECT),
	T(TCP_ULP), T(TCP_MD5SIG_EXT), T(TCP_FASTOPEN_KEY), T(TCP_FASTOPEN_NO_COOKIE), T(TCP_ZEROCOPY_RECEIVE), T(TCP_INQ), T(TCP_TX_DELAY),
	T(tcp_ao_add_key), T(tcp_ao_del_key), T(tcp_ao_info), T(tcp_ao_get_keys), T(tcp_ao_repair), T(tcp_is_mptcp), T(tcp_rto_max_ms), T(tcp_rto_min_us),
	T(tcp_delack_max_us), {IPPROTO_TCP, so_none, "tcp_none"},

	U(UDP_CORK), U(UDP_ENCAP), U(UDP_NO_CHECK6_TX), U(UDP_NO_CHECK6_RX), U(UDP_SEGMENT), U(UDP_GRO), {IPPROTO_UDP, 10, "udplite_send_cscov"}, {IPPROTO_UDPLITE, 11, "udplite_recv_cscov"},
	{IPPROTO_UDP, so_none, "udp_none"},

	{SOL_RAW, icmp_filter, "icmp_filter"}, {SOL_RAW, 2, "raw_2"}, {IPPROTO_ICMPV6, icmp6_filter, "icmp6_filter"}, {IPPROTO_ICMPV6, 2, "icmp6_2"},

	P(PACKET_ADD_MEMBERSHIP), P(PACKET_DROP_MEMBERSHIP), P(PACKET_RECV_OUTPUT), P(PACKET_RX_RING), P(PACKET_STATISTICS), P(PACKET_COPY_THRESH),
	P(PACKET_AUXDATA), P(PACKET_ORIGDEV), P(PACKET_VERSION), P(PACKET_HDRLEN), P(PACKET_RESERVE), P(PACKET_TX_RING), P(PACKET_LOSS), P(PACKET_VNET_HDR),
	P(PACKET_TX_TIMESTAMP), P(PACKET_TIMESTAMP), P(PACKET_FANOUT), P(PACKET_TX_HAS_OFF), P(PACKET_QDISC_BYPASS), P(PACKET_ROLLOVER_STATS),
	P(PACKET_FANOUT_DATA), P(PACKET_IGNORE_OUTGOING), P(packet_vnet_hdr_sz), {263, so_none, "packet_none"},

	N(NETLINK_ADD_MEMBERSHIP), N(NETLINK_DROP_MEMBERSHIP), N(NETLINK_PKTINFO), N(NETLINK_BROADCAST_ERROR), N(NETLINK_NO_ENOBUFS), N(NETLINK_RX_RING),
	N(NETLINK_TX_RING), N(NETLINK_LISTEN_ALL_NSID), N(NETLINK_LIST_MEMBERSHIPS), N(NETLINK_CAP_ACK), N(NETLINK_EXT_ACK), N(NETLINK_GET_STRICT_CHK),
	{270, so_none, "netlink_none"},
};

// state is what a socket goes through before.
enum state { fresh_one, connected, listens };

struct kind {
	const char *name;
	int family, type, protocol;
	enum state state;
	int levels[4]; // its own besides SOL_SOCKET: others are looked at in passing
};

// changing are those whose value is another each time: only the length is shown.
static int changing(struct option *o, struct kind *k) {
	if (k->state != fresh_one && (o->level == SOL_SOCKET && o->name == SO_INCOMING_CPU || o->level == IPPROTO_IP && o->name == ip_protocol))
		return 1; // a processor, and the port, which Linux tells so
	if (o->level == SOL_SOCKET)
		return o->name == SO_COOKIE || o->name == SO_NETNS_COOKIE || o->name == SO_PEERCRED || o->name == so_peerpidfd;
	return o->level == IPPROTO_TCP && (o->name == TCP_TIMESTAMP || o->name == TCP_INFO);
}

static const char *e(int r) { return r ? strerrorname_np(errno) : "ok"; }

// get shows what a buffer of n bytes is filled with.
#define GET(n) (printf(" get(%d)=", n), get(s, o, k, n))
static void get(int s, struct option *o, struct kind *k, int n) {
	unsigned char b[520];
	memset(b, 0xee, sizeof b);
	socklen_t l = n;
	if (getsockopt(s, o->level, o->name, b, &l)) {
		printf("%s", strerrorname_np(errno));
		if ((int)l != n)
			printf("/%d", (int)l);
		return;
	}
	printf("%d:", (int)l);
	int shown = n < 0 || (int)l > n ? 0 : l;
	while (shown > 4 && b[shown - 1] == 0) // zeroes at the end are not shown
		shown--;
	for (int i = 0; i < shown && !changing(o, k); i++)
		printf("%02x", b[i]);
}

// set sets a value in n bytes, of which what is above the int is nought, and shows
// what the option is then.
static void set(int s, struct option *o, struct kind *k, int v, int n) {
	static unsigned char b[8192];
	memset(b, 0, sizeof b);
	memcpy(b, &v, 4);
	int r = setsockopt(s, o->level, o->name, b, n);
	printf(" set(%d,%d)=%s", v, n, e(r));
	if (!r) {
		printf(",");
		get(s, o, k, 4);
	}
}

static int listener4, listener6;

static int open_socket(struct kind *k) {
	int s = socket(k->family, k->type, k->protocol);
	if (s < 0)
		return -1;
	union addr a;
	if (k->state == connected) {
		socklen_t n = k->family == AF_INET ? in4(&a, "127.0.0.1", 0) : in6(&a, "::1", 0);
		if (k->type == SOCK_STREAM)
			getsockname(k->family == AF_INET ? listener4 : listener6, &a.sa, &n);
		else
			a.in.sin_port = htons(9);
		if (connect(s, &a.sa, n))
			printf("connect: %s\n", strerrorname_np(errno));
		if (k->type == SOCK_STREAM)
			close(accept(k->family == AF_INET ? listener4 : listener6, 0, 0));
	} else if (k->state == listens && listen(s, 1)) {
		printf("listen: %s\n", strerrorname_np(errno));
	}
	return s;
}

static int own(struct kind *k, int level) {
	for (int i = 0; i < 4; i++)
		if (k->levels[i] == level)
			return 1;
	return level == SOL_SOCKET;
}

static void walk(struct kind *k) {
	static const int values[] = {-1, 0, 1, 2, 0x7fffffff}, lengths[] = {0, 1, 4, 8, 16, 20, 136, 8192};
	int other = open_socket(k); // for all that are not its own
	for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
		struct option *o = &options[i];
		int s = own(k, o->level) ? open_socket(k) : other;
		if (s < 0) {
			printf("%s none: %s\n", k->name, strerrorname_np(errno));
			return;
		}
		printf("%s %s%s:", k->name, o->text, o->level == IPPROTO_IPV6 && !strncmp(o->text, "MCAST", 5) ? "/6" : "");
		GET(4);
		if (s == other) {
			set(s, o, k, 1, 4);
			printf("\n");
			continue;
		}
		GET(1);
		GET(0);
		GET(-1);
		GET(512);
		for (int v = 0; v < 5; v++)
			for (int l = 0; l < 8; l++)
				set(s, o, k, values[v], lengths[l]);
		printf(" negative=%s", e(setsockopt(s, o->level, o->name, values, -1)));
		GET(512);
		if (!setsockopt(s, o->level, o->name, &values[2], 4)) // of others Linux may say first why not
			printf(" bad=%s", e(setsockopt(s, o->level, o->name, (void *)8, 4)));
		printf("\n");
		close(s);
	}
	close(other);
}

int main(int argc, char **argv) {
	fresh();
	alarm(60);
	spew("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	spew("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
	spew("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456");
	spew("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304");
	// The first arguments are parameters of the host's that all its namespaces share.
	while (argc > 1 && strchr(argv[1], '=')) {
		char *value = strchr(argv[1], '='), old[64] = "";
		*value++ = 0;
		int fd = open(argv[1], O_RDONLY);
		if (read(fd, old, sizeof old - 1) > 0 && atoi(old) != atoi(value))
			spew(argv[1], value);
		close(fd);
		argc--, argv++;
	}
	listener4 = listening("127.0.0.1", 8000);
	listener6 = listening("::1", 8000);
	static struct kind kinds[] = {
		{"tcp4", AF_INET, SOCK_STREAM, 0, fresh_one, {IPPROTO_TCP, IPPROTO_IP, -1, -1}},
		{"tcp6", AF_INET6, SOCK_STREAM, 0, fresh_one, {IPPROTO_TCP, IPPROTO_IPV6, IPPROTO_IP, -1}},
		{"udp4", AF_INET, SOCK_DGRAM, 0, fresh_one, {IPPROTO_UDP, IPPROTO_IP, -1, -1}},
		{"udp6", AF_INET6, SOCK_DGRAM, 0, fresh_one, {IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_IP, -1}},
		{"raw4", AF_INET, SOCK_RAW, IPPROTO_ICMP, fresh_one, {IPPROTO_IP, SOL_RAW, -1, -1}},
		{"raw4.hdr", AF_INET, SOCK_RAW, IPPROTO_RAW, fresh_one, {IPPROTO_IP, SOL_RAW, -1, -1}},
		{"raw6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, fresh_one, {IPPROTO_IPV6, IPPROTO_ICMPV6, -1, -1}},
		{"raw6.other", AF_INET6, SOCK_RAW, 200, fresh_one, {IPPROTO_IPV6, IPPROTO_ICMPV6, SOL_RAW, -1}},
		{"ping4", AF_INET, SOCK_DGRAM, IPPROTO_ICMP, fresh_one, {IPPROTO_IP, SOL_RAW, -1, -1}},
		{"ping6", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, fresh_one, {IPPROTO_IPV6, IPPROTO_ICMPV6, -1, -1}},
		{"packet", AF_PACKET, SOCK_RAW, 0, fresh_one, {263, -1, -1, -1}},
		{"cooked", AF_PACKET, SOCK_DGRAM, 0x0300, fresh_one, {263, -1, -1, -1}},
		{"netlink", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, fresh_one, {270, -1, -1, -1}},
		{"unix", AF_UNIX, SOCK_STREAM, 0, fresh_one, {-1, -1, -1, -1}},
		{"unix.dgram", AF_UNIX, SOCK_DGRAM, 0, fresh_one, {-1, -1, -1, -1}},
		{"tcp4.connected", AF_INET, SOCK_STREAM, 0, connected, {IPPROTO_TCP, IPPROTO_IP, -1, -1}},
		{"tcp4.listening", AF_INET, SOCK_STREAM, 0, listens, {IPPROTO_TCP, IPPROTO_IP, -1, -1}},
		{"tcp6.connected", AF_INET6, SOCK_STREAM, 0, connected, {IPPROTO_TCP, IPPROTO_IPV6, IPPROTO_IP, -1}},
		{"udp4.connected", AF_INET, SOCK_DGRAM, 0, connected, {IPPROTO_UDP, IPPROTO_IP, -1, -1}},
		{"udp6.connected", AF_INET6, SOCK_DGRAM, 0, connected, {IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_IP, -1}},
		{"udplite6", AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE, fresh_one, {IPPROTO_UDP, IPPROTO_UDPLITE, -1, -1}},
	};
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (argc < 2 || !strcmp(argv[1], kinds[i].name))
			walk(&kinds[i]);
}
