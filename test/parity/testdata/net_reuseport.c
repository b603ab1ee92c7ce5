// needs: root
#include "net.h"
#include <linux/filter.h>

// Sockets that share a port, and programs that choose among them; what sends say that
// leave nothing; sockets of kinds that there are not.

static struct sock_filter mod3[] = {
	{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_ALU | BPF_MOD | BPF_K, 0, 0, 3}, {BPF_RET | BPF_A, 0, 0, 0}};
static struct sock_filter two[] = {{BPF_RET | BPF_K, 0, 0, 2}};

static int attach(int s, struct sock_filter *f, int n) {
	struct sock_fprog p = {n, f};
	return setsockopt(s, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof p);
}

static int shared(int family, int type) {
	int s = socket(family, type, 0);
	setopt(s, SOL_SOCKET, SO_REUSEPORT, 1);
	return s;
}

static void datagrams(int family, const char *ip) {
	union addr a;
	socklen_t n = family == AF_INET ? in4(&a, ip, 7100) : in6(&a, ip, 7100);
	int g[3];
	for (int i = 0; i < 3; i++) {
		g[i] = shared(family, SOCK_DGRAM);
		R(bind(g[i], &a.sa, n));
	}
	R(attach(g[1], mod3, 3));
	int c = socket(family, SOCK_DGRAM, 0);
	for (int i = 0; i < 9; i++) {
		char b[4] = {i};
		R(sendto(c, b, sizeof b, 0, &a.sa, n));
		for (int k = 0; k < 3; k++)
			if (recv(g[k], b, sizeof b, MSG_DONTWAIT) > 0)
				printf("  %d to %d\n", b[0], k);
	}
	close(g[0]);
	for (int i = 0; i < 3; i++) {
		char b[4] = {i};
		R(sendto(c, b, sizeof b, 0, &a.sa, n));
		for (int k = 1; k < 3; k++)
			if (recv(g[k], b, sizeof b, MSG_DONTWAIT) > 0 && i != 2)
				printf("  %d to %d\n", b[0], k);
	}
	R(setopt(g[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	R(setopt(g[2], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	close(g[1]), close(g[2]), close(c);
}

static void streams(void) {
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7101);
	int g[3];
	for (int i = 0; i < 3; i++) {
		g[i] = shared(AF_INET, SOCK_STREAM);
		if (!i)
			R(attach(g[0], two, 1));
		R(bind(g[i], &a.sa, n));
		R(listen(g[i], 5));
	}
	for (int i = 0; i < 4; i++) {
		int c = socket(AF_INET, SOCK_STREAM, 0);
		R(connect(c, &a.sa, n));
		for (int k = 0; k < 3; k++) {
			fcntl(g[k], F_SETFL, O_NONBLOCK);
			int x = accept4(g[k], NULL, NULL, SOCK_NONBLOCK);
			if (x >= 0)
				printf("  to %d\n", k);
			close(x);
		}
		close(c);
	}
	int alone = socket(AF_INET, SOCK_STREAM, 0);
	R(attach(alone, two, 1));
	R(setopt(alone, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	R(attach(g[0], NULL, 1));
	R(attach(g[0], two, 0));
	two[0].code = 0xffff;
	R(attach(g[0], two, 1));
}

static void lost(void) {
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7102);
	int s = socket(AF_INET, SOCK_DGRAM, 0), r = bound(SOCK_DGRAM, "127.0.0.1", 7102);
	struct ifreq q = {.ifr_name = "lo", .ifr_mtu = 1500};
	R(ioctl(s, SIOCSIFMTU, &q));
	R(setopt(s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
	static char b[70000];
	for (int len = 1471; len < 1475; len++) {
		R(sendto(s, b, len, 0, &a.sa, n));
		R(recv(r, b, sizeof b, MSG_DONTWAIT));
	}
	R(connect(s, &a.sa, n));
	R(send(s, b, 1473, 0));
	R(send(s, b, 1000, MSG_MORE));
	R(send(s, b, 1000, 0));
	R(recv(r, b, sizeof b, MSG_DONTWAIT));
	R(send(s, b, 65508, 0));
	R(send(s, b, 65536, 0));
	R(setopt(s, IPPROTO_UDP, UDP_SEGMENT, 1472));
	R(send(s, b, 1473, 0));
	R(recv(r, b, sizeof b, MSG_DONTWAIT));
	R(recv(r, b, sizeof b, MSG_DONTWAIT));
	R(setopt(s, IPPROTO_UDP, UDP_SEGMENT, 1473));
	R(send(s, b, 1474, 0));
}

static void opening(void) {
	union addr a;
	socklen_t n = in6(&a, "::1", 7103);
	int s = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
	R(setopt(s, SOL_SOCKET, SO_REUSEADDR, 1));
	R(bind(s, &a.sa, n));
	R(sendto(s, NULL, 0, MSG_FASTOPEN, &a.sa, n)); // to itself
	R(send(s, "hello", 5, 0));
	char b[10], c[100];
	struct iovec v = {b, 2};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	R(setopt(s, IPPROTO_TCP, TCP_INQ, 1));
	R(recvmsg(s, &h, 0));
	for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m))
		printf("%d %d %d: %d\n", m->cmsg_level, m->cmsg_type, (int)m->cmsg_len, *(int *)CMSG_DATA(m));
	R(sendto(s, "x", 1, MSG_FASTOPEN, &a.sa, n));
	int t = socket(AF_INET6, SOCK_STREAM, 0);
	a.in6.sin6_port = htons(7104);
	R(sendto(t, "x", 1, MSG_FASTOPEN, &a.sa, n));
	R(sendto(t, NULL, 0, MSG_FASTOPEN | MSG_DONTWAIT, &a.sa, n));
}

// early gives sockets programs before they have a port: each has a group of its own then.
static void early(int type) {
	struct sock_filter first[] = {{BPF_RET | BPF_K, 0, 0, 0}};
	struct sock_fprog f = {1, first};
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7140);
	int s[4];
	for (int i = 0; i < 4; i++) {
		s[i] = socket(AF_INET, type, 0);
		R(setopt(s[i], SOL_SOCKET, SO_REUSEPORT, 1));
	}
	R(setsockopt(s[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &f, sizeof f));
	R(setsockopt(s[1], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &f, sizeof f));
	R(setsockopt(s[2], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &f, sizeof f));
	R(setopt(s[2], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	for (int i = 0; i < 4; i++)
		R(bind(s[i], &a.sa, n));
	a.in.sin_port = htons(7141);
	R(bind(s[1], &a.sa, n));
	for (int i = 0; i < 4; i++)
		close(s[i]);
}

int main() {
	fresh();
	datagrams(AF_INET, "127.0.0.1");
	datagrams(AF_INET6, "::1");
	streams();
	early(SOCK_DGRAM), early(SOCK_STREAM);
	opening();
	lost();
	int families[] = {-1, 45, 46, 100, AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET}, types[] = {0, 1, 7, 10, 11, 15};
	for (int i = 0; i < 9; i++)
		for (int k = 0; k < 6; k++) {
			int s = socket(families[i], types[k], 0);
			if (families[i] < 0 || families[i] > 45 || (families[i] != 45 && (types[k] == 0 || types[k] > 10)))
				printf("socket %d %d: %s\n", families[i], types[k], s < 0 ? strerrorname_np(errno) : "ok");
			close(s);
		}
}
