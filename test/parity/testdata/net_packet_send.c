// needs: root
#include "net.h"
#include <linux/net_tstamp.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <sys/mman.h>

static int lo;

static unsigned sum(const unsigned char *b, int n, unsigned s) {
	for (int i = 0; i < n; i++)
		s += i & 1 ? b[i] : b[i] << 8;
	return s;
}

static unsigned fold(unsigned s) {
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

// udp writes a frame of the loopback interface with n bytes of payload, and returns
// its length; partial leaves the checksum to others.
static int udp(unsigned char *b, char what, int n, int partial) {
	static const unsigned char head[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 10, 9, 9, 9, 0x1b, 0x59, 0x1b, 0x58};
	memcpy(b, head, sizeof head);
	memset(b + 38, 0, 4);
	memset(b + 42, what, n);
	b[16] = (28 + n) >> 8, b[17] = 28 + n;
	b[38] = (8 + n) >> 8, b[39] = 8 + n;
	unsigned s = ~fold(sum(b + 14, 20, 0));
	b[24] = s >> 8, b[25] = s;
	s = fold(sum(b + 26, 8, 17 + 8 + n));
	if (!partial)
		s = ~fold(sum(b + 34, 8 + n, s));
	b[40] = s >> 8, b[41] = s;
	return 42 + n;
}

// arrived prints what came to a socket: lengths, and of what.
static void arrived(int s) {
	char b[70000];
	int n;
	usleep(10000);
	printf("  arrived:");
	while ((n = recv(s, b, sizeof b, MSG_DONTWAIT)) >= 0)
		printf(" %d%c", n, n ? b[0] : '-');
	printf("\n");
}

static void drain(int s) {
	char b[10];
	while (recv(s, b, 10, MSG_DONTWAIT | MSG_TRUNC) >= 0)
		;
}

enum { block = 1 << 16, blocks = 2, frame = 1 << 12, frames = 32 };

struct slot {
	unsigned *status, *length, *next;
	unsigned short *mac, *net;
	unsigned char *data;
};

static struct slot slot(unsigned char *ring, int version, int i) {
	unsigned char *f = ring + i * frame;
	switch (version) {
	case TPACKET_V1: {
		struct tpacket_hdr *h = (void *)f;
		return (struct slot){(void *)&h->tp_status, &h->tp_len, 0, &h->tp_mac, &h->tp_net, f + TPACKET_HDRLEN - sizeof(struct sockaddr_ll)};
	}
	case TPACKET_V2: {
		struct tpacket2_hdr *h = (void *)f;
		return (struct slot){&h->tp_status, &h->tp_len, 0, &h->tp_mac, &h->tp_net, f + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll)};
	}
	}
	struct tpacket3_hdr *h = (void *)f;
	return (struct slot){&h->tp_status, &h->tp_len, &h->tp_next_offset, &h->tp_mac, &h->tp_net, f + TPACKET3_HDRLEN - sizeof(struct sockaddr_ll)};
}

static void statuses(unsigned char *ring, int version, int n) {
	printf("  statuses:");
	for (int i = 0; i < n; i++)
		printf(" %x", *slot(ring, version, i).status);
	printf("\n");
}

static void put(unsigned char *ring, int version, int i, char what, int n) {
	struct slot f = slot(ring, version, i);
	*f.length = udp(f.data, what, n, 0);
	*f.status = TP_STATUS_SEND_REQUEST;
}

static void rings(int u, int version) {
	printf("version %d\n", version);
	struct tpacket_req3 q = {block, blocks, frame, frames};
	int size = version == TPACKET_V3 ? sizeof q : sizeof(struct tpacket_req), s = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll a = {AF_PACKET, 0, lo};
	R(bind(s, (void *)&a, sizeof a));
	R(setopt(s, SOL_PACKET, PACKET_VERSION, version));
	q.tp_frame_nr = 31;
	R(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, size));
	q.tp_frame_nr = frames, q.tp_retire_blk_tov = 5;
	R(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, size));
	if (version == TPACKET_V3) {
		q.tp_retire_blk_tov = 0;
		R(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, size));
	}
	q.tp_retire_blk_tov = 60;
	R(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, size));
	R(setopt(s, SOL_PACKET, PACKET_LOSS, 1));
	R(setopt(s, SOL_PACKET, PACKET_VERSION, version));
	R(setopt(s, SOL_PACKET, PACKET_VNET_HDR, 1));
	R(setopt(s, SOL_PACKET, PACKET_TX_HAS_OFF, 1));
	printf("offsets %d\n", opt(s, SOL_PACKET, PACKET_TX_HAS_OFF));
	unsigned char *m = mmap(0, block * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	R(m == MAP_FAILED);
	R(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, size)); // they are mapped as one
	E(s);
	R(send(s, NULL, 0, 0));
	for (int i = 0; i < 5; i++)
		put(m, version, i, 'a' + i, 10 + i);
	R(send(s, "not this", 8, 0));
	statuses(m, version, 6);
	arrived(u);
	// The order is that of the ring, from where the last one was.
	put(m, version, 7, 'x', 3);
	R(send(s, NULL, 0, MSG_DONTWAIT));
	statuses(m, version, 8);
	put(m, version, 5, 'f', 3);
	put(m, version, 6, 'g', 3);
	*slot(m, version, 6).length = 13; // too short for a header
	R(send(s, NULL, 0, 0));
	statuses(m, version, 8);
	R(send(s, NULL, 0, 0));
	put(m, version, 6, 'g', 3);
	*slot(m, version, 6).length = 4090;
	R(send(s, NULL, 0, 0));
	statuses(m, version, 8);
	put(m, version, 6, 'g', 3);
	if (version == TPACKET_V3) {
		*slot(m, version, 6).next = 64;
		R(send(s, NULL, 0, 0));
		statuses(m, version, 8);
		*slot(m, version, 6).next = 0;
		*slot(m, version, 6).status = 1;
	}
	R(send(s, NULL, 0, 0));
	arrived(u);
	a.sll_ifindex = 99;
	put(m, version, 8, 'n', 3);
	R(sendto(s, NULL, 0, 0, (void *)&a, sizeof a));
	a.sll_ifindex = lo;
	R(sendto(s, NULL, 0, 0, (void *)&a, sizeof a));
	arrived(u);
	// Once around.
	int sent = 0;
	for (int i = 0; i < 100; i++) {
		put(m, version, (9 + i) % frames, 'r', i);
		if (i % 7 == 6)
			sent += send(s, NULL, 0, 0);
	}
	sent += send(s, NULL, 0, 0);
	printf("around: %d bytes\n", sent);
	arrived(u);
	R(munmap(m, block * blocks));
	memset(&q, 0, sizeof q);
	R(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, size));
	R(send(s, "x", 1, 0));
	// Both rings, frames that may be lost, and bytes elsewhere.
	q = (struct tpacket_req3){block, blocks, frame, frames};
	R(setopt(s, SOL_PACKET, PACKET_LOSS, 1));
	R(setopt(s, SOL_PACKET, PACKET_TX_HAS_OFF, 1));
	R(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, size));
	R(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, size));
	R(mmap(0, block * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0) == MAP_FAILED);
	m = mmap(0, 2 * block * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	R(m == MAP_FAILED);
	unsigned char *tx = m + block * blocks;
	int at[] = {200, 10, 4090, 100};
	for (int i = 0; i < 4; i++) {
		struct slot f = slot(tx, version, i);
		*f.length = udp(tx + i * frame + (at[i] > 4000 ? 300 : at[i] < 64 ? 64 : at[i]), 'A' + i, 7, 0);
		*f.mac = at[i];
		*f.status = TP_STATUS_SEND_REQUEST;
	}
	R(send(s, NULL, 0, 0));
	statuses(tx, version, 5);
	arrived(u);
	munmap(m, 2 * block * blocks);
	close(s);
}

static void vnet(const char *what, int n, const struct virtio_net_hdr *h) {
	printf("%s: %d, flags %x type %x size %d sum %d+%d head %d\n", what, n, h->flags, h->gso_type, h->gso_size, h->csum_start, h->csum_offset, h->gso_type ? 0 : h->hdr_len);
}

static void headers(int u) {
	int s = socket(AF_PACKET, SOCK_RAW, 0), dg = socket(AF_PACKET, SOCK_DGRAM, 0), c = dial(SOCK_DGRAM, "10.9.9.9", 7000);
	struct sockaddr_ll a = {AF_PACKET, htons(ETH_P_IP), lo};
	R(setopt(dg, SOL_PACKET, PACKET_VNET_HDR, 1));
	R(setopt(s, SOL_PACKET, PACKET_VNET_HDR, 2));
	printf("%d %d\n", opt(s, SOL_PACKET, PACKET_VNET_HDR), opt(s, SOL_PACKET, 24));
	R(setopt(s, SOL_PACKET, 24, 11));
	R(setopt(s, SOL_PACKET, 24, 12));
	printf("%d %d\n", opt(s, SOL_PACKET, PACKET_VNET_HDR), opt(s, SOL_PACKET, 24));
	bind(s, (void *)&a, sizeof a);
	unsigned char b[70000];
	R(send(c, "hello", 5, 0));
	usleep(10000);
	memset(b, 0xee, sizeof b);
	R(recv(s, b, 11, 0));
	R(send(c, "hello", 5, 0));
	usleep(10000);
	int n = recv(s, b, sizeof b, 0);
	vnet("merged", n, (void *)b);
	printf("  buffers %d, frame %02x %02x %c\n", b[10] | b[11] << 8, b[12 + 12], b[12 + 14], b[12 + 42]);
	R(send(c, "cut", 3, 0));
	usleep(10000);
	R(recv(s, b, 20, MSG_TRUNC));
	R(setopt(s, SOL_PACKET, PACKET_VNET_HDR, 1));
	drain(u);
	// Sending: checksums and cutting are left to others.
	memset(b, 0, sizeof b);
	struct virtio_net_hdr *h = (void *)b;
	n = udp(b + 10, 'p', 50, 1);
	*h = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
	R(send(s, b, 10 + n, 0));
	n = udp(b + 10, 'w', 50, 0);
	*h = (struct virtio_net_hdr){};
	R(send(s, b, 10 + n, 0));
	h->hdr_len = n + 1;
	R(send(s, b, 10 + n, 0));
	h->hdr_len = n;
	R(send(s, b, 10 + n, 0));
	*h = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = n, .csum_offset = 0};
	R(send(s, b, 10 + n, 0));
	*h = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14, .csum_offset = 10};
	R(send(s, b, 10 + n, 0));
	*h = (struct virtio_net_hdr){.gso_type = 9, .gso_size = 10};
	R(send(s, b, 10 + n, 0));
	*h = (struct virtio_net_hdr){.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0};
	R(send(s, b, 10 + n, 0));
	R(send(s, b, 9, 0));
	R(send(s, b, 10, 0));
	R(send(s, b, 20, 0));
	arrived(u);
	n = udp(b + 10, 'g', 50, 1);
	*h = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6, .hdr_len = 42, .gso_type = 5, .gso_size = 20};
	R(send(s, b, 10 + n, 0));
	h->gso_size = 60;
	R(send(s, b, 10 + n, 0));
	h->flags = 0;
	R(send(s, b, 10 + n, 0));
	arrived(u);
	// More than the link takes, as one frame.
	struct ifreq r = {.ifr_name = "lo", .ifr_mtu = 1500};
	R(ioctl(c, SIOCSIFMTU, &r));
	n = udp(b + 10, 'G', 3000, 1);
	*h = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6, .hdr_len = 42, .gso_type = 5, .gso_size = 1000};
	R(send(s, b, 10 + n, 0));
	h->gso_type = 0;
	R(send(s, b, 10 + n, 0));
	arrived(u);
	// A ring of what arrives.
	drain(s);
	R(setopt(s, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	struct tpacket_req q = {block, blocks, frame, frames};
	R(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof q));
	unsigned char *m = mmap(0, block * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	R(send(c, "ring", 4, 0));
	usleep(10000);
	struct tpacket2_hdr *t = (void *)m;
	printf("status %x mac %d net %d len %d snaplen %d\n", t->tp_status & 0x8f, t->tp_mac, t->tp_net, t->tp_len, t->tp_snaplen);
	vnet("ring", 0, (void *)(m + t->tp_mac - 10));
	munmap(m, block * blocks);
	close(s);
	// A stream's segments, as they are before they are cut.
	s = socket(AF_PACKET, SOCK_RAW, 0);
	R(setopt(s, SOL_PACKET, PACKET_VNET_HDR, 1));
	bind(s, (void *)&a, sizeof a);
	int l = listening("10.9.9.9", 7001), t1 = dial(SOCK_STREAM, "10.9.9.9", 7001);
	R(send(t1, b, 10000, 0));
	usleep(20000);
	for (int max = 0; (n = recv(s, b, sizeof b, MSG_DONTWAIT)) > 0;)
		if (n > 5000 && !max++)
			vnet("stream", n > 5000, (void *)b);
	close(l);
}

// taps counts what a socket that hears all hears of frames of another one.
static void taps(int u) {
	int all = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), s = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll a = {AF_PACKET, 0, lo}, from;
	bind(s, (void *)&a, sizeof a);
	unsigned char b[200];
	for (int bypass = 0; bypass < 2; bypass++) {
		R(setopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, bypass));
		R(send(s, b, udp(b, 'q', 5, 0), 0));
		usleep(10000);
		socklen_t n = sizeof from;
		while (recvfrom(all, b, sizeof b, MSG_DONTWAIT, (void *)&from, &n) >= 0)
			printf("  heard type %d\n", from.sll_pkttype);
	}
	arrived(u);
}

// Times at which frames leave, as packet sockets are told.
static void told_when(int s) {
	char b[200], c[400];
	union addr a;
	struct iovec v = {b, sizeof b};
	for (int i = 0; i < 4; i++) {
		struct msghdr h = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
		struct pollfd p = {s, 0};
		poll(&p, 1, i ? 0 : 200);
		int n = recvmsg(s, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
		if (n < 0)
			break;
		printf("  poll %x, %d bytes, flags %x, name %d:", p.revents, n, h.msg_flags, (int)h.msg_namelen);
		for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
			struct sock_extended_err *e = (void *)CMSG_DATA(m);
			printf(" %d/%d/%d", m->cmsg_level, m->cmsg_type, (int)m->cmsg_len);
			if (m->cmsg_level == SOL_PACKET)
				printf(" (%d %d %d info %d data %d)", e->ee_errno, e->ee_origin, e->ee_type, e->ee_info, e->ee_data);
			else {
				struct timespec *t = (void *)CMSG_DATA(m);
				printf(" (%d %d %d)", t[0].tv_sec != 0, t[1].tv_sec != 0, t[2].tv_sec != 0);
			}
		}
		printf("\n");
	}
}
static int sent_with(int s, struct sockaddr_ll *to, int level, int type, uint32_t value, int size, int type2, uint32_t value2) {
	char c[100] = {}, b[40] = {[12] = 0x88, 0xb5};
	struct iovec v = {b, sizeof b};
	struct msghdr h = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = type2 ? 2 * CMSG_SPACE(4) : CMSG_SPACE(size)};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);
	m->cmsg_level = level, m->cmsg_type = type, m->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(m), &value, 4);
	if (type2) {
		m = CMSG_NXTHDR(&h, m);
		m->cmsg_level = level, m->cmsg_type = type2, m->cmsg_len = CMSG_LEN(4);
		memcpy(CMSG_DATA(m), &value2, 4);
	}
	return sendmsg(s, &h, 0);
}
static void times(void) {
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = 1, .sll_halen = 6};
	char b[40] = {[12] = 0x88, 0xb5};
	for (int type = SOCK_RAW; type; type = type == SOCK_RAW ? SOCK_DGRAM : 0) {
		int s = socket(AF_PACKET, type, 0);
		const int soft = SOF_TIMESTAMPING_SOFTWARE;
		static const int flags[] = {SOF_TIMESTAMPING_TX_SOFTWARE, SOF_TIMESTAMPING_TX_SCHED, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_OPT_ID,
			SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_ID, SOF_TIMESTAMPING_TX_ACK};
		for (int i = 0; i < 5; i++) {
			R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, flags[i] | soft));
			R(sendto(s, b, sizeof b, 0, (void *)&to, sizeof to));
			told_when(s);
		}
		R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE));
		R(sendto(s, b, sizeof b, 0, (void *)&to, sizeof to));
		told_when(s);
		R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, soft));
		R(sent_with(s, &to, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE, 4, 0, 0));
		told_when(s);
		R(sent_with(s, &to, SOL_SOCKET, 81 /* SCM_TS_OPT_ID */, 77, 4, 0, 0));
		R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, soft | SOF_TIMESTAMPING_OPT_ID));
		R(sent_with(s, &to, SOL_SOCKET, 81, 77, 4, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SCHED));
		told_when(s);
		R(sent_with(s, &to, SOL_SOCKET, 81, 77, 2, 0, 0));
		R(sent_with(s, &to, SOL_SOCKET, SO_PRIORITY, 5, 4, 0, 0));
		R(sent_with(s, &to, SOL_SOCKET, SO_PRIORITY, 77, 4, 0, 0));
		R(sent_with(s, &to, SOL_SOCKET, SO_PRIORITY, 5, 2, 0, 0));
		R(setopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, 1));
		R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | soft));
		R(sendto(s, b, sizeof b, 0, (void *)&to, sizeof to));
		told_when(s);
		close(s);
	}
}

// martians puts frames of all sorts of addresses on the loopback interface, and says
// which came through: they were not routed there, and so are looked at.
static void martians(void) {
	static const char *const addrs[] = {"127.0.0.1", "127.5.5.5", "10.9.9.9", "10.8.8.8", "10.255.255.255", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1"};
	static const struct {
		const char *file, *value;
	} set[] = {{"accept_local", "0"}, {"accept_local", "1"}, {"route_localnet", "1"}, {"accept_local", "0"}, {"rp_filter", "1"}, {"accept_local", "1"}};
	enum { N = sizeof addrs / sizeof addrs[0] };
	int u = bound(SOCK_DGRAM, "0.0.0.0", 7070), own = socket(AF_INET, SOCK_DGRAM, 0), pk = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x800), .sll_ifindex = 1, .sll_halen = 6};
	struct ifreq r = {.ifr_name = "lo:1", .ifr_addr.sa_family = AF_INET};
	inet_pton(AF_INET, "127.0.0.1", &((struct sockaddr_in *)&r.ifr_addr)->sin_addr);
	R(ioctl(u, SIOCSIFADDR, &r));
	for (unsigned i = 0; i < sizeof set / sizeof set[0]; i++) {
		char path[100], b[4];
		sprintf(path, "/proc/sys/net/ipv4/conf/lo/%s", set[i].file);
		int fd = open(path, O_WRONLY);
		printf("%s %s: %d\n", set[i].file, set[i].value, (int)write(fd, set[i].value, 1));
		close(fd);
		for (int s = 0; s < N; s++)
			for (int d = 0; d < N; d++) {
				unsigned char f[60] = {[12] = 8, 0, 0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17};
				inet_pton(AF_INET, addrs[s], f + 26), inet_pton(AF_INET, addrs[d], f + 30);
				unsigned short c = ~fold(sum(f + 14, 20, 0));
				f[24] = c >> 8, f[25] = c;
				f[34] = 1, f[35] = 1, f[36] = 7070 >> 8, f[37] = 7070 & 255, f[39] = 10;
				f[42] = s, f[43] = d;
				if (sendto(pk, f, 44, 0, (void *)&to, sizeof to) != 44)
					perror("sendto");
			}
		union addr a;
		socklen_t n = in4(&a, "127.0.0.1", 7070);
		sendto(own, "end", 3, 0, &a.sa, n);
		for (int last = -1; recv(u, b, sizeof b, 0) == 2; last = b[0])
			printf("%s%s%s", b[0] == last ? ", " : last < 0 ? "  " : "\n  ", b[0] == last ? "" : addrs[(int)b[0]], b[0] == last ? "" : " > "), printf("%s", addrs[(int)b[1]]);
		puts("");
	}
	close(u), close(own), close(pk);
}

int main() {
	fresh();
	lo = if_nametoindex("lo");
	int u = bound(SOCK_DGRAM, "0.0.0.0", 7000);
	// Linux takes no frames that say that they are from or for 127.0.0.1.
	struct ifreq r = {.ifr_name = "lo", .ifr_addr.sa_family = AF_INET};
	inet_pton(AF_INET, "10.9.9.9", &((struct sockaddr_in *)&r.ifr_addr)->sin_addr);
	R(ioctl(u, SIOCSIFADDR, &r));
	for (int v = 0; v < 3; v++)
		rings(u, v);
	taps(u);
	headers(u);
	times();
	martians();
}
