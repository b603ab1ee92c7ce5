// needs: root
#include "net.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/epoll.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/sysmacros.h>

static int ctl; // a socket to ask by

static int opened(void) { return open("tun", O_RDWR | O_NONBLOCK); }

static struct ifreq req(const char *name, int flags) {
	struct ifreq r = {.ifr_flags = flags};
	strcpy(r.ifr_name, name);
	return r;
}

static int set(int f, const char *name, int flags) {
	struct ifreq r = req(name, flags);
	int n = ioctl(f, TUNSETIFF, &r), e = errno;
	printf("  TUNSETIFF \"%s\" %x: %s", name, flags, n ? strerrorname_np(e) : r.ifr_name);
	printf("\n");
	return n;
}

static void get(int f) {
	struct ifreq r = req("", 0);
	if (ioctl(f, TUNGETIFF, &r))
		printf("  TUNGETIFF: %s\n", strerrorname_np(errno));
	else
		printf("  TUNGETIFF: %s %x\n", r.ifr_name, (unsigned short)r.ifr_flags);
}

// flags are those but IFF_RUNNING, which Linux has follow the carrier when it has time.
static void flags(const char *name) {
	struct ifreq r = req(name, 0), h = r, m = r, q = r;
	if (ioctl(ctl, SIOCGIFFLAGS, &r)) {
		printf("  %s: %s\n", name, strerrorname_np(errno));
		return;
	}
	ioctl(ctl, SIOCGIFHWADDR, &h), ioctl(ctl, SIOCGIFMTU, &m), ioctl(ctl, SIOCGIFTXQLEN, &q);
	printf("  %s: flags %x type %d mtu %d queue %d\n", name, r.ifr_flags & 0xffff & ~IFF_RUNNING, h.ifr_hwaddr.sa_family, m.ifr_mtu, q.ifr_qlen);
}

static void up(const char *name, const char *ip) {
	struct ifreq r = req(name, 0), a = r;
	a.ifr_addr.sa_family = AF_INET;
	inet_pton(AF_INET, ip, &((struct sockaddr_in *)&a.ifr_addr)->sin_addr);
	R(ioctl(ctl, SIOCSIFADDR, &a));
	inet_pton(AF_INET, "255.255.255.0", &((struct sockaddr_in *)&a.ifr_addr)->sin_addr);
	R(ioctl(ctl, SIOCSIFNETMASK, &a));
	ioctl(ctl, SIOCGIFFLAGS, &r);
	r.ifr_flags |= IFF_UP;
	R(ioctl(ctl, SIOCSIFFLAGS, &r));
}

static unsigned sum(const unsigned char *b, int n) {
	unsigned s = 0;
	for (int i = 0; i < n; i++)
		s += i & 1 ? b[i] : b[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void put16(unsigned char *b, unsigned v) { b[0] = v >> 8, b[1] = v; }

// echo writes an ICMP echo request to b and returns its length.
static int echo(unsigned char *b, const char *src, const char *dst, int n) {
	memset(b, 0, 28 + n);
	b[0] = 0x45, b[8] = 64, b[9] = 1;
	put16(b + 2, 28 + n);
	inet_pton(AF_INET, src, b + 12), inet_pton(AF_INET, dst, b + 16);
	put16(b + 10, ~sum(b, 20));
	b[20] = 8, b[24] = 7, b[27] = 1;
	memset(b + 28, 'e', n);
	put16(b + 22, ~sum(b + 20, 8 + n));
	return 28 + n;
}

// next reads the next packet that is not of IPv6; at is where IP would begin.
static int next(int f, unsigned char *b, int room, int at, int pi) {
	for (;;) {
		struct pollfd p = {f, POLLIN};
		if (poll(&p, 1, 1000) != 1)
			return printf("  nothing came\n"), -1;
		int n = read(f, b, room);
		if (n < 0)
			return printf("  read: %s\n", strerrorname_np(errno)), -1;
		if (at == 0 || pi ? n > at && b[at] >> 4 != 6 : b[12] != 0x86)
			return n;
	}
}

static void ip(const char *what, const unsigned char *b, int n) {
	if (n < 0)
		return;
	printf("  %s: %d bytes, version %x protocol %d ttl %d from %d.%d.%d.%d to %d.%d.%d.%d checksum %s first %d\n", what, n, b[0], b[9], b[8], b[12], b[13],
	       b[14], b[15], b[16], b[17], b[18], b[19], sum(b, 20) == 0xffff ? "good" : "bad", b[20]);
}

static void before(void) {
	int f = opened();
	unsigned v = 0;
	char b[10];
	R(ioctl(f, TUNGETFEATURES, &v));
	printf("features %x\n", v);
	R(read(f, b, 10));
	R(write(f, b, 10));
	E(f);
	get(f);
	R(ioctl(f, TUNSETPERSIST, 1));
	R(ioctl(f, 0x1234, 1));
	set(f, "x", 0);
	set(f, "a/b", IFF_TUN);
	set(f, "lo", IFF_TUN);
	set(f, "t", IFF_TAP | IFF_NAPI_FRAGS);
	set(f, "", IFF_TUN);
	set(f, "", IFF_TUN);
	get(f);
	E(f);
	close(f);
	flags("tun0");
}

static void packets(void) {
	int f = opened(), g = opened();
	unsigned char b[3000];
	set(f, "tunx%d", IFF_TUN | IFF_NO_PI);
	flags("tunx0");
	int n = echo(b, "10.5.0.2", "10.5.0.1", 20);
	R(write(f, b, n));
	up("tunx0", "10.5.0.1");
	flags("tunx0");
	E(f);
	int u = bound(SOCK_DGRAM, "10.5.0.1", 7000);
	R(write(f, b, n));
	n = next(f, b, sizeof b, 0, 0);
	ip("reply", b, n);
	union addr a;
	socklen_t l = in4(&a, "10.5.0.2", 9);
	R(sendto(u, "hello", 5, 0, &a.sa, l));
	n = next(f, b, sizeof b, 0, 0);
	ip("datagram", b, n);
	R(sendto(u, "hello", 5, 0, &a.sa, l));
	n = next(f, b, 21, 0, 0);
	ip("cut", b, n);
	b[0] = 0x25;
	R(write(f, b, 30));
	R(write(f, b, 0));
	R(read(f, b, 100));
	set(g, "tunx0", IFF_TUN);
	set(g, "tunx0", IFF_TAP);
	set(g, "tunx0", IFF_TUN | IFF_MULTI_QUEUE);
	set(g, "tunx0", IFF_TUN | IFF_TUN_EXCL);
	// It stays, with an owner, until it is asked for no more.
	R(ioctl(f, TUNSETPERSIST, 1));
	R(ioctl(f, TUNSETOWNER, 1000));
	R(ioctl(f, TUNSETGROUP, 1000));
	R(ioctl(f, TUNSETLINK, ARPHRD_NONE));
	R(ioctl(f, TUNSETOFFLOAD, 0));
	R(ioctl(f, TUNSETOFFLOAD, 0x1000));
	int v = 0;
	R(ioctl(f, TUNSETSNDBUF, &v));
	R(ioctl(f, TUNGETSNDBUF, &v));
	printf("%x\n", v);
	get(f);
	close(f);
	flags("tunx0");
	CHILD("another", setgid(1001); setuid(1001); int h = opened(); set(h, "tunx0", IFF_TUN | IFF_NO_PI); set(h, "new", IFF_TUN));
	CHILD("its owner", setgid(1000); setuid(1000); int h = opened(); set(h, "tunx0", IFF_TUN | IFF_NO_PI); get(h));
	set(g, "tunx0", IFF_TUN);
	get(g);
	flags("tunx0");
	R(ioctl(g, TUNSETPERSIST, 0));
	// With information before each packet.
	struct tun_pi pi = {0, htons(ETH_P_IP)};
	memcpy(b, &pi, 4);
	n = echo(b + 4, "10.5.0.2", "10.5.0.1", 20);
	R(write(g, b, 4 + n));
	n = next(g, b, sizeof b, 4, 1);
	printf("  flags %x protocol %x\n", *(short *)b, ntohs(*(short *)(b + 2)));
	ip("reply", b + 4, n - 4);
	R(sendto(u, "hello", 5, 0, &a.sa, l));
	n = next(g, b, 30, 4, 1);
	printf("  flags %x protocol %x, %d bytes\n", *(short *)b, ntohs(*(short *)(b + 2)), n);
	R(write(g, b, 3));
	R(sendto(u, "hello", 5, 0, &a.sa, l));
	usleep(10000);
	R(read(g, b, 3));
	close(g);
	flags("tunx0");
	close(u);
}

static void tap(void) {
	int f = opened();
	unsigned char b[3000];
	set(f, "tapx", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	int v = 5;
	R(ioctl(f, TUNSETVNETHDRSZ, &v));
	R(ioctl(f, TUNGETVNETHDRSZ, &v));
	printf("%d\n", v);
	flags("tapx");
	up("tapx", "10.6.0.1");
	flags("tapx");
	struct ifreq r = req("", 0);
	R(ioctl(f, SIOCGIFHWADDR, &r));
	printf("%d\n", r.ifr_hwaddr.sa_family);
	R(write(f, b, 9));
	R(write(f, b, 20));
	int u = bound(SOCK_DGRAM, "10.6.0.1", 7000);
	union addr a;
	socklen_t l = in4(&a, "10.6.0.2", 9);
	R(sendto(u, "hello", 5, 0, &a.sa, l));
	unsigned char *e = b + 10;
	int n;
	while ((n = next(f, b, sizeof b, 10, 0)) > 0 && (e[12] != 8 || e[13] != 6))
		;
	printf("  ARP: %d bytes, operation %d for %d.%d.%d.%d, to %02x\n", n, e[21], e[38], e[39], e[40], e[41], e[0]);
	unsigned char peer[6] = {2, 0, 0, 0, 0, 9}, own[6], ask[4];
	memcpy(own, e + 22, 6), memcpy(ask, e + 28, 4);
	memset(b, 0, 10);
	memcpy(e, own, 6), memcpy(e + 6, peer, 6);
	e[21] = 2;
	memcpy(e + 32, own, 6), memcpy(e + 28, e + 38, 4), memcpy(e + 38, ask, 4), memcpy(e + 22, peer, 6);
	R(write(f, b, 52));
	while ((n = next(f, b, sizeof b, 10, 0)) > 0 && (e[12] != 8 || e[13] != 0))
		;
	struct virtio_net_hdr *h = (void *)b;
	printf("  to %02x:%02x flags %x type %x\n", e[0], e[5], h->flags, h->gso_type);
	ip("datagram", e + 14, n - 24);
	// A checksum that is left to us, and one to others.
	R(ioctl(f, TUNSETOFFLOAD, TUN_F_CSUM));
	R(sendto(u, "hello", 5, 0, &a.sa, l));
	while ((n = next(f, b, sizeof b, 10, 0)) > 0 && (e[12] != 8 || e[13] != 0))
		;
	printf("  flags %x type %x sum %d+%d\n", h->flags, h->gso_type, h->csum_start, h->csum_offset);
	memset(b, 0, 10);
	memcpy(e, own, 6), memcpy(e + 6, peer, 6), e[12] = 8, e[13] = 0;
	n = echo(e + 14, "10.6.0.2", "10.6.0.1", 30);
	R(write(f, b, 24 + n));
	while ((n = next(f, b, sizeof b, 10, 0)) > 0 && (e[12] != 8 || e[13] != 0))
		;
	ip("reply", e + 14, n - 24);
	close(f);
	flags("tapx");
}

static void queues(void) {
	int f[3];
	struct ifreq r = req("", IFF_DETACH_QUEUE);
	for (int i = 0; i < 3; i++) {
		f[i] = opened();
		set(f[i], "mq", IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE);
	}
	R(ioctl(f[1], TUNSETQUEUE, &r));
	R(ioctl(f[1], TUNSETQUEUE, &r));
	get(f[1]);
	r.ifr_flags = IFF_ATTACH_QUEUE;
	R(ioctl(f[0], TUNSETQUEUE, &r));
	R(ioctl(f[1], TUNSETQUEUE, &r));
	r.ifr_flags = 0;
	R(ioctl(f[1], TUNSETQUEUE, &r));
	get(f[1]);
	close(f[0]), close(f[1]);
	flags("mq");
	close(f[2]);
	flags("mq");
}

static int ctl;
static void set_up(const char *name, int on) {
	struct ifreq r = {};
	strcpy(r.ifr_name, name);
	ioctl(ctl, SIOCGIFFLAGS, &r);
	r.ifr_flags = on ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP;
	printf("%s %s: %d\n", name, on ? "up" : "down", ioctl(ctl, SIOCSIFFLAGS, &r));
}
static int tun_file(const char *name, int flags) {
	mknod("tun2", S_IFCHR | 0600, makedev(10, 200));
	int fd = open("tun2", O_RDWR | O_NONBLOCK);
	unlink("tun2");
	struct ifreq r = {.ifr_flags = flags | IFF_NO_PI};
	strcpy(r.ifr_name, name);
	if (ioctl(fd, TUNSETIFF, &r)) printf("TUNSETIFF %s\n", strerrorname_np(errno));
	return fd;
}
static int watch(int fd) {
	int e = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET, {.fd = fd}};
	epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev);
	return e;
}
static void edge(int e, const char *what) {
	struct epoll_event ev[3];
	int n = epoll_wait(e, ev, 3, 0);
	printf("  %s: %d", what, n);
	for (int i = 0; i < n; i++) printf(" %x", ev[i].events);
	puts("");
}
// Edges of poll(2) as an interface goes up, down and away.
static void edges(void) {
	ctl = socket(AF_INET, SOCK_DGRAM, 0);
	for (int type = IFF_TUN; type <= IFF_TAP; type++) {
		const char *name = type == IFF_TUN ? "tuna" : "tapa";
		int t = tun_file(name, type), te;
		E(t);
		te = watch(t);
		edge(te, "tun, new"), edge(te, "tun, again");
		int p = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
		struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
		R(bind(p, (void *)&a, sizeof a));
		int pe = watch(p), any = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), ae = watch(any);
		E(p);
		edge(pe, "packet, new"), edge(ae, "any, new"), edge(pe, "packet, again");
		for (int k = 0; k < 2; k++) {
			set_up(name, 1);
			E(t), E(p);
			edge(te, "tun"), edge(pe, "packet"), edge(ae, "any");
			edge(te, "tun"), edge(pe, "packet");
			set_up(name, 0);
			edge(te, "tun"), edge(pe, "packet"), edge(ae, "any");
			E(t), E(p);
			R(opt(p, SOL_SOCKET, SO_ERROR));
			edge(te, "tun"), edge(pe, "packet"), edge(ae, "any");
			char frame[64] = {0x45};
			R(write(t, frame, 64));
			edge(te, "tun");
		}
		set_up(name, 1);
		edge(te, "tun"), edge(pe, "packet");
		R(bind(p, (void *)&a, sizeof a));
		edge(pe, "packet");
		set_up(name, 0);
		// goes away
		close(t);
		edge(pe, "packet"), edge(ae, "any");
		E(p);
		close(p), close(any), close(pe), close(ae), close(te);
	}
}

// only4 has interfaces say nothing of their own, sooner or later.
static void only4(void) {
	const char *of[] = {"all", "default"};
	for (int i = 0; i < 2; i++) {
		char name[100];
		snprintf(name, sizeof name, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", of[i]);
		int fd = open(name, O_WRONLY);
		if (write(fd, "1", 1) != 1)
			perror(name);
		close(fd);
	}
}

int main() {
	fresh();
	only4();
	ctl = socket(AF_INET, SOCK_DGRAM, 0);
	R(mknod("tun", S_IFCHR | 0666, makedev(10, 200)));
	chmod("tun", 0666);
	chmod(".", 0755);
	before();
	packets();
	tap();
	queues();
	R(unlink("tun"));
	edges();
}
