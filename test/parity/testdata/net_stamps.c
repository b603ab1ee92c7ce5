// needs: root
#include "net.h"
#include <linux/net_tstamp.h>

// What SIOCGSTAMP and SIOCGSTAMPNS know of: the last arrival, if no message told of it.
// And the clock of an interface that SO_TIMESTAMPING may name.

static void gives(const char *what, int s) {
	struct timespec ts = {-1, -1}, now;
	struct timeval tv = {-1, -1};
	int a = ioctl(s, SIOCGSTAMPNS, &ts) ? errno : 0, b = ioctl(s, SIOCGSTAMP, &tv) ? errno : 0;
	clock_gettime(CLOCK_REALTIME, &now);
	double age = now.tv_sec - ts.tv_sec + (now.tv_nsec - ts.tv_nsec) / 1e9;
	printf("  %s: %s", what, a ? strerrorname_np(a) : age >= 0 && age < 9 ? "a time" : "another time");
	printf(", %s, %s\n", b ? strerrorname_np(b) : "done", a || b ? "" : ts.tv_sec == tv.tv_sec && ts.tv_nsec / 1000 == tv.tv_usec ? "the same" : "another one");
}

static int from, to_;

static void get(int flags) {
	char b[10], c[200];
	struct iovec v = {b, 10};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	send(from, "x", 1, 0);
	until(to_, POLLIN);
	int n = recvmsg(to_, &m, flags);
	printf("  received %d, control %d\n", n, (int)m.msg_controllen);
}

static void fresh_pair(void) {
	union addr a;
	socklen_t n = sizeof a;
	to_ = bound(SOCK_DGRAM, "127.0.0.1", 0);
	getsockname(to_, &a.sa, &n);
	from = socket(AF_INET, SOCK_DGRAM, 0);
	connect(from, &a.sa, n);
}

// warm waits until arrivals are stamped: Linux begins with that when it has time.
static void warm(void) {
	int controls = 0;
	fresh_pair();
	setopt(to_, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	for (int i = 0; i < 1000 && !controls; i++) {
		char b[10], c[200];
		struct iovec v = {b, 10};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
		send(from, "x", 1, 0);
		until(to_, POLLIN);
		recvmsg(to_, &m, 0);
		controls = m.msg_controllen;
		if (!controls)
			usleep(1000);
	}
	printf("warm: %d\n", controls);
}

int main(void) {
	fresh();
	warm(); // and its socket stays
	struct {
		const char *what;
		int name, value;
	} o[] = {{"none", 0, 0}, {"SO_TIMESTAMP", SO_TIMESTAMP, 1}, {"SO_TIMESTAMPNS", SO_TIMESTAMPNS, 1},
		 {"RX_SOFTWARE", SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE},
		 {"both", SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE}, {"TX_SOFTWARE", SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE},
		 {"RAW_HARDWARE", SO_TIMESTAMPING, SOF_TIMESTAMPING_RAW_HARDWARE}};
	for (unsigned i = 0; i < sizeof o / sizeof *o; i++) {
		for (int before = 0; before < 2; before++) {
			printf("%s\n", o[i].what);
			fresh_pair();
			if (o[i].name)
				R(setopt(to_, SOL_SOCKET, o[i].name, o[i].value));
			if (before)
				gives("before", to_);
			get(before ? MSG_PEEK : 0);
			gives("after one", to_);
			gives("again", to_);
			get(0);
			gives("after two", to_);
			if (o[i].name) {
				R(setopt(to_, SOL_SOCKET, o[i].name, 0));
				get(0);
				gives("after that", to_);
			}
			close(to_), close(from);
		}
	}
	printf("a stream\n");
	int l = listening("127.0.0.1", 5000), c = dial(SOCK_STREAM, "127.0.0.1", 5000), a = accept(l, 0, 0);
	from = c, to_ = a;
	get(0), gives("of a stream", a);
	R(setopt(a, SOL_SOCKET, SO_TIMESTAMP, 1));
	get(0), gives("of a stream", a);
	printf("clocks\n");
	struct {
		int flags, clock;
	} v = {SOF_TIMESTAMPING_BIND_PHC | SOF_TIMESTAMPING_SOFTWARE, 3};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, v.flags));
	R(setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, &v, sizeof v));
	R(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, v.flags));
	R(setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, &v, sizeof v));
	v.flags = SOF_TIMESTAMPING_SOFTWARE;
	R(setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, &v, sizeof v));
	socklen_t n = sizeof v;
	R(getsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, &v, &n));
	printf("  %d %x %d\n", n, v.flags, v.clock);
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_STATS));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_STATS | SOF_TIMESTAMPING_OPT_TSONLY));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, 1 << 16));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, 1 << 19));
	R(setopt(s, SOL_SOCKET, SO_TIMESTAMPING, -1));
	return 0;
}
