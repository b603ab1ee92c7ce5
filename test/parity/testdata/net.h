// What the programs about the network share. Each makes a network namespace of
// its own, in which only the loopback interface is up: the host's addresses and
// ports are no part of what is compared.
#include "t.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <time.h>

// fresh makes the namespace, unless the caller has said that he did: then the
// programs can tell how the sockets of another one do (test/net).
static void fresh(void) {
	if (getenv("NET_IS_FRESH")) {
		alarm(15);
		return;
	}
	if (unshare(CLONE_NEWNET)) {
		perror("unshare");
		exit(1);
	}
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = {.ifr_name = "lo"};
	if (ioctl(s, SIOCGIFFLAGS, &r)) {
		perror("SIOCGIFFLAGS");
		exit(1);
	}
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r)) {
		perror("SIOCSIFFLAGS");
		exit(1);
	}
	close(s);
	alarm(15); // never hang
}

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage ss;
};

static socklen_t in4(union addr *a, const char *ip, int port) {
	memset(a, 0, sizeof *a);
	a->in.sin_family = AF_INET;
	a->in.sin_port = htons(port);
	inet_pton(AF_INET, ip, &a->in.sin_addr);
	return sizeof a->in;
}

static socklen_t in6(union addr *a, const char *ip, int port) {
	memset(a, 0, sizeof *a);
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	inet_pton(AF_INET6, ip, &a->in6.sin6_addr);
	return sizeof a->in6;
}

// to is an address of the family that the text is of.
static socklen_t to(union addr *a, const char *ip, int port) {
	return strchr(ip, ':') ? in6(a, ip, port) : in4(a, ip, port);
}

static const char *text(const union addr *a, socklen_t n) {
	static char b[2][100];
	static int k;
	char ip[64] = "?";
	char *s = b[k ^= 1];
	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof ip);
		sprintf(s, "%s:%d(%d)", ip, ntohs(a->in.sin_port), (int)n);
	} else if (a->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof ip);
		sprintf(s, "[%s]:%d%%%d(%d)", ip, ntohs(a->in6.sin6_port), (int)a->in6.sin6_scope_id, (int)n);
	} else
		sprintf(s, "family %d(%d)", a->sa.sa_family, (int)n);
	return s;
}

static int bound(int type, const char *ip, int port) {
	union addr a;
	int s = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, type, 0), one = 1;
	socklen_t n = to(&a, ip, port);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, &a.sa, n))
		printf("bind %s %d: %s\n", ip, port, strerrorname_np(errno));
	return s;
}

static int listening(const char *ip, int port) {
	int s = bound(SOCK_STREAM, ip, port);
	if (listen(s, 16))
		printf("listen %s %d: %s\n", ip, port, strerrorname_np(errno));
	return s;
}

static int dial(int type, const char *ip, int port) {
	union addr a;
	int s = socket(strchr(ip, ':') ? AF_INET6 : AF_INET, type, 0);
	socklen_t n = to(&a, ip, port);
	if (connect(s, &a.sa, n))
		printf("connect %s %d: %s\n", ip, port, strerrorname_np(errno));
	return s;
}

static int events(int s) {
	struct pollfd p = {s, POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP};
	poll(&p, 1, 0);
	return p.revents;
}

// E prints the poll events of a socket.
#define E(s) printf("events of %s: %x\n", #s, events(s))

// until waits, a second at most, until a socket has one of the events.
static int until(int s, int want) {
	struct pollfd p = {s, want};
	return poll(&p, 1, 1000) == 1 ? p.revents : 0;
}

static void nonblock(int s) { fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_NONBLOCK); }

static int opt(int s, int level, int name) {
	int v = 0;
	socklen_t n = sizeof v;
	return getsockopt(s, level, name, &v, &n) ? -errno : v;
}

static int setopt(int s, int level, int name, int v) { return setsockopt(s, level, name, &v, sizeof v); }
