// needs: root
#include "net.h"

// The tables of /proc/net, without numbers of inodes and addresses of the kernel.
static void table(const char *name, int from, int to) {
	char path[100], line[1024];
	sprintf(path, "/proc/self/net/%s", name);
	FILE *f = fopen(path, "r");
	printf("-- %s\n", name);
	if (!f) {
		puts(strerrorname_np(errno));
		return;
	}
	for (int n = 0; fgets(line, sizeof line, f); n++) {
		if (n == 0 && strchr(line, ':') == 0) {
			fputs(line, stdout);
			continue;
		}
		// Fields from `from` on but before `to`.
		int i = 0;
		for (char *w = strtok(line, " \n"); w; w = strtok(0, " \n"), i++)
			if (i >= from && i < to)
				printf("%s ", w);
		puts("");
	}
	fclose(f);
}

static void value(const char *name) {
	char path[200], b[4096] = "";
	sprintf(path, "/proc/sys/net/%s", name);
	int f = open(path, O_RDONLY);
	int n = read(f, b, sizeof b - 1);
	printf("%s: %s", name, n < 0 ? "none\n" : b);
	close(f);
}

static void set(const char *name, const char *v) {
	char path[200];
	sprintf(path, "/proc/sys/net/%s", name);
	int f = open(path, O_WRONLY);
	int r = write(f, v, strlen(v));
	printf("%s = %s: %s\n", name, v, f < 0 ? "no such file" : r < 0 ? strerrorname_np(errno) : "ok");
	close(f);
	value(name);
}

int main() {
	fresh();
	int l = listening("127.0.0.1", 7000), c = dial(SOCK_STREAM, "127.0.0.1", 7000), s = accept(l, 0, 0);
	int p = bound(SOCK_STREAM, "127.0.0.1", 7005);
	close(c), close(s);
	close(l), close(p);
	l = listening("0.0.0.0", 7001);
	int l6 = listening("::1", 7001);
	int u = bound(SOCK_DGRAM, "127.0.0.1", 7002), u6 = bound(SOCK_DGRAM, "::", 7003);
	int uc = bound(SOCK_DGRAM, "127.0.0.1", 7004);
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7002);
	connect(uc, &a.sa, n);
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	// A listener's and a bound datagram socket's line, but for the slot's number.
	table("udp", 1, 9);
	table("udp6", 1, 9);
	table("raw", 1, 9);
	table("tcp6", 1, 9);
	table("if_inet6", 0, 6);
	table("arp", 0, 9);
	table("route", 0, 11);
	table("packet", 1, 7);
	value("core/somaxconn"), value("core/rmem_default"), value("core/wmem_default");
	value("ipv4/ip_default_ttl"), value("ipv4/ip_local_port_range");
	value("ipv4/tcp_sack"), value("ipv4/tcp_timestamps"), value("ipv4/tcp_window_scaling"), value("ipv4/tcp_fin_timeout");
	value("ipv4/tcp_keepalive_time"), value("ipv4/tcp_syn_retries"), value("ipv4/ip_unprivileged_port_start"), value("ipv4/ping_group_range");
	value("ipv4/conf/all/rp_filter"), value("ipv4/conf/default/accept_redirects");
	value("ipv6/conf/all/disable_ipv6"), value("ipv6/conf/lo/accept_ra"), value("ipv6/conf/all/forwarding"), value("ipv6/bindv6only");
	set("ipv4/ip_forward", "1"), set("ipv4/ip_forward", "x"), value("ipv4/conf/lo/forwarding"), set("ipv4/ip_local_port_range", "40000 41000\n");
	set("ipv4/ip_local_port_range", "41000 40000"), set("core/somaxconn", "-1"), set("core/somaxconn", "128");
	set("ipv4/ip_default_ttl", "0"), set("ipv4/ip_default_ttl", "99"), set("ipv4/tcp_congestion_control", "reno");
	set("ipv4/tcp_congestion_control", "none"), set("ipv4/none", "1"), set("ipv6/conf/lo/disable_ipv6", "1");
	n = in6(&a, "::1", 7009);
	R(bind(socket(AF_INET6, SOCK_DGRAM, 0), &a.sa, n));
	n = in4(&a, "127.0.0.1", 0);
	int e = socket(AF_INET, SOCK_DGRAM, 0);
	R(bind(e, &a.sa, n));
	n = sizeof a;
	getsockname(e, &a.sa, &n);
	printf("in range: %d\n", ntohs(a.in.sin_port) >= 40000 && ntohs(a.in.sin_port) <= 41000);
	struct stat st;
	R(stat("/sys/class/net", &st));
	// The parameters are those of the namespace of who asks.
	CHILD("another namespace", unshare(CLONE_NEWNET); value("core/somaxconn"); table("dev", 0, 1));
	value("core/somaxconn");
}
