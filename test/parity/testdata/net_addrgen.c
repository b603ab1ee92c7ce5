// needs: root
#include "net.h"
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// How interfaces make addresses of IPv6 of their own: addr_gen_mode and
// stable_secret, the attribute of netlink, and what a program that has the
// other end of a tun sees. Addresses of secrets that the kernel made are not
// shown, only whether they are there again.

static int put(const char *name, const char *item, const char *text) {
	char p[200];
	snprintf(p, sizeof p, "/proc/sys/net/ipv6/conf/%s/%s", name, item);
	int f = open(p, O_WRONLY);
	int n = f < 0 ? -1 : write(f, text, strlen(text));
	printf("%s/%s = \"%s\": %s\n", name, item, text, n < 0 ? strerrorname_np(errno) : "written");
	close(f);
	return n;
}

static char last[40]; // the secret that was read last

static const char *value(const char *name, const char *item) {
	static char b[100];
	char p[200];
	snprintf(p, sizeof p, "/proc/sys/net/ipv6/conf/%s/%s", name, item);
	int f = open(p, O_RDONLY);
	int n = f < 0 ? -1 : read(f, b, sizeof b - 1);
	if (n < 0)
		strcpy(b, strerrorname_np(errno));
	else
		b[n && b[n - 1] == '\n' ? n - 1 : n] = 0;
	close(f);
	return b;
}

// list prints what an interface has; made is whether the kernel has made the secret.
static void list(const char *name, int made) {
	static char before[10][40];
	static int n;
	printf("  %s: mode %s", name, value(name, "addr_gen_mode"));
	const char *s = value(name, "stable_secret");
	if (made && strlen(s) == 39)
		printf(" secret %s", strcmp(last, s) ? "new" : "as before"), strcpy(last, s);
	else
		printf(" secret %s", s);
	FILE *f = fopen("/proc/net/if_inet6", "r");
	char ip[40], dev[20];
	unsigned index, bits, scope, flags;
	char lines[10][100];
	int k = 0;
	while (k < 10 && fscanf(f, "%39s %x %x %x %x %19s", ip, &index, &bits, &scope, &flags, dev) == 6)
		if (!strcmp(dev, name) && scope == 0x20) {
			const char *known = ip;
			if (made) {
				int i = 0;
				while (i < n && strcmp(before[i], ip))
					i++;
				known = i < n ? "as before" : "new";
				if (i == n && n < 10)
					strcpy(before[n++], ip);
			}
			sprintf(lines[k++], "%s/%d flags %x", known, bits, flags & ~0x40); // tentative or not is a matter of time
		}
	fclose(f);
	qsort(lines, k, sizeof lines[0], (int (*)(const void *, const void *))strcmp);
	for (int i = 0; i < k; i++)
		printf(", %s", lines[i]);
	printf("\n");
}

static int attr(char *b, int type, const void *v, int n) {
	struct rtattr a = {4 + n, type};
	memcpy(b, &a, 4);
	memcpy(b + 4, v, n);
	memset(b + 4 + n, 0, -n & 3);
	return (4 + n + 3) & ~3;
}

// ask sends RTM_SETLINK with an IFLA_AF_SPEC.
static void ask(const char *what, int index, const void *spec, int n) {
	char b[300] = "";
	struct nlmsghdr h = {.nlmsg_type = RTM_SETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 1};
	struct ifinfomsg m = {.ifi_index = index};
	memcpy(b + sizeof h, &m, sizeof m);
	h.nlmsg_len = sizeof h + sizeof m + attr(b + sizeof h + sizeof m, IFLA_AF_SPEC, spec, n);
	memcpy(b, &h, sizeof h);
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	send(s, b, h.nlmsg_len, 0);
	int err = 1;
	if (recv(s, b, sizeof b, 0) >= 20)
		memcpy(&err, b + 16, 4);
	printf("%s: %s\n", what, err ? strerrorname_np(-err) : "done");
	close(s);
}

static void mode(const char *name, unsigned char v) {
	char six[20], spec[30], what[60];
	int n = attr(spec, AF_INET6, six, attr(six, IFLA_INET6_ADDR_GEN_MODE, &v, 1));
	sprintf(what, "IFLA_INET6_ADDR_GEN_MODE of %s = %d", name, v);
	ask(what, if_nametoindex(name), spec, n);
}

static void updown(const char *name, int on) {
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = {0};
	strcpy(r.ifr_name, name);
	ioctl(s, SIOCGIFFLAGS, &r);
	r.ifr_flags = on ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP;
	printf("%s %s: %s\n", name, on ? "up" : "down", ioctl(s, SIOCSIFFLAGS, &r) ? strerrorname_np(errno) : "done");
	close(s);
}

static int device(const char *name, int flags) {
	int f = open("tun", O_RDWR | O_NONBLOCK);
	struct ifreq r = {.ifr_flags = flags | IFF_NO_PI};
	strcpy(r.ifr_name, name);
	if (ioctl(f, TUNSETIFF, &r))
		perror(name);
	return f;
}

// sent prints the next packet: of addresses what kind they are, and the rest.
static void sent(int f) {
	unsigned char b[2000];
	struct pollfd p = {f, POLLIN};
	poll(&p, 1, 1000);
	int n = read(f, b, sizeof b);
	if (n < 0) {
		printf("  sent: %s\n", strerrorname_np(errno));
		return;
	}
	char dst[64];
	inet_ntop(AF_INET6, b + 24, dst, sizeof dst);
	printf("  sent: %d bytes, next %d hops %d, from %02x%02x to %s, type %d\n", n, b[6], b[7], b[8], b[9], dst, b[40]);
}

static void tuns(void) {
	int f = device("t0", IFF_TUN);
	list("t0", 1);
	updown("t0", 1);
	list("t0", 1), sent(f);
	updown("t0", 0), list("t0", 1);
	updown("t0", 1);
	list("t0", 1), sent(f);
	put("t0", "addr_gen_mode", "1"), list("t0", 1);
	put("t0", "addr_gen_mode", "0"), list("t0", 1);
	close(f);
	f = device("t1", IFF_TUN);
	put("t1", "addr_gen_mode", "2");
	mode("t1", 2);
	put("t1", "stable_secret", "2001:db8::1"), list("t1", 0);
	updown("t1", 1);
	list("t1", 0), sent(f);
	put("t1", "stable_secret", "2001:db8::2"), list("t1", 0);
	updown("t1", 0), updown("t1", 1);
	list("t1", 0);
	mode("t1", 1), list("t1", 0);
	updown("t1", 0), updown("t1", 1);
	list("t1", 0);
	mode("t1", 2), list("t1", 0);
	close(f);
}

// taps have a hardware address, and nobody reads: what they do about it is no matter.
static void taps(void) {
	int f = device("p0", IFF_TAP);
	put("p0", "addr_gen_mode", "1");
	updown("p0", 1);
	list("p0", 0);
	static const char *modes[] = {"4", "-1", "x", "2", "4294967296", "0x1", "\n"};
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
		put("p0", "addr_gen_mode", modes[i]);
	static const char *secrets[] = {"x", "2001:db8::3 junk", "2001:db8::4junk", "::", "1.2.3.4", "::1.2.3.4", " 1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
		"::ffff:1.2.3.4", "1::2::3", "12345::", "2001:db8::5%p0", "2001:db8::1\n"};
	for (unsigned i = 0; i < sizeof secrets / sizeof *secrets; i++)
		put("p0", "stable_secret", secrets[i]), list("p0", 0);
	put("p0", "addr_gen_mode", "1");
	put("p0", "addr_gen_mode", "2"), list("p0", 0);
	mode("p0", 4), mode("p0", 3), mode("p0", 255), list("p0", 0);
	close(f);
}

static void defaults(void) {
	put("all", "stable_secret", "2001:db8::7");
	printf("  all %s\n", value("all", "stable_secret"));
	put("default", "stable_secret", "2001:db8::7"), list("lo", 0);
	printf("  default %s", value("default", "stable_secret"));
	printf(", mode %s\n", value("default", "addr_gen_mode"));
	int f = device("t2", IFF_TUN);
	list("t2", 0);
	updown("t2", 1);
	list("t2", 0);
	put("all", "addr_gen_mode", "1");
	list("t2", 0), list("lo", 0);
	printf("  default mode %s\n", value("default", "addr_gen_mode"));
	put("default", "addr_gen_mode", "0"), put("default", "addr_gen_mode", "2"), put("all", "addr_gen_mode", "7");
	int g = device("t3", IFF_TUN);
	list("t3", 0);
	close(f), close(g);
}

static void messages(void) {
	char b[64], c[64];
	int lo = if_nametoindex("lo");
	ask("nothing", lo, b, 0);
	ask("nothing of IPv6", lo, b, attr(b, AF_INET6, c, 0));
	ask("no mode", lo, b, attr(b, AF_INET6, c, attr(c, IFLA_INET6_ADDR_GEN_MODE, "", 0)));
	ask("something else of IPv6", lo, b, attr(b, AF_INET6, c, attr(c, 1, "", 0)));
	ask("nothing of IPv4", lo, b, attr(b, AF_INET, c, 0));
	ask("of a bridge", lo, b, attr(b, AF_BRIDGE, c, 0));
	ask("of another family", lo, b, attr(b, AF_AX25, c, 0));
}

int main(void) {
	fresh();
	mknod("tun", S_IFCHR | 0666, makedev(10, 200));
	tuns();
	taps();
	defaults();
	messages();
	return 0;
}
