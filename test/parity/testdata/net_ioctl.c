// needs: root
#include "net.h"

static int s;

#define I(cmd) ioctl1(#cmd, cmd, "lo")

static int ioctl1(const char *name, unsigned cmd, const char *nic) {
	struct ifreq r = {};
	strcpy(r.ifr_name, nic);
	int e = ioctl(s, cmd, &r);
	printf("%s %s: %s", name, nic, e ? strerrorname_np(errno) : "ok");
	unsigned char *p = (void *)&r.ifr_addr;
	if (!e)
		for (int i = 0; i < 8; i++)
			printf(" %02x", p[i]);
	puts("");
	return e;
}

static int addr(unsigned cmd, const char *ip) {
	struct ifreq r = {.ifr_name = "lo"};
	struct sockaddr_in *in = (void *)&r.ifr_addr;
	in->sin_family = AF_INET;
	inet_pton(AF_INET, ip, &in->sin_addr);
	return ioctl(s, cmd, &r) ? -1 : 0;
}

static void walk() {
	I(SIOCGIFFLAGS), I(SIOCGIFADDR), I(SIOCGIFNETMASK), I(SIOCGIFBRDADDR), I(SIOCGIFDSTADDR), I(SIOCGIFMETRIC), I(SIOCGIFMTU), I(SIOCGIFHWADDR);
	I(SIOCGIFINDEX), I(SIOCGIFTXQLEN);
	ioctl1("SIOCGIFFLAGS", SIOCGIFFLAGS, "none");
	ioctl1("SIOCGIFADDR", SIOCGIFADDR, "none");
	ioctl1("0x89ff", 0x89ff, "lo");
	ioctl1("0x8977", 0x8977, "lo");
	struct ifreq r = {.ifr_ifindex = 1};
	R(ioctl(s, SIOCGIFNAME, &r));
	puts(r.ifr_name);
	r.ifr_ifindex = 77;
	R(ioctl(s, SIOCGIFNAME, &r));
	R(ioctl(s, SIOCGIFNAME, 8));
}

// Addresses with labels of their own, which look like interfaces.
static int alias(unsigned long cmd, const char *name, const char *ip) {
	struct ifreq r = {};
	strcpy(r.ifr_name, name);
	r.ifr_addr.sa_family = AF_INET;
	inet_pton(AF_INET, ip, &((struct sockaddr_in *)&r.ifr_addr)->sin_addr);
	int e = ioctl(s, cmd, &r);
	if (!e && (cmd == SIOCGIFADDR || cmd == SIOCGIFNETMASK || cmd == SIOCGIFBRDADDR || cmd == SIOCGIFDSTADDR))
		printf("  %s: %s\n", r.ifr_name, inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
	return e;
}

static void listed(void) {
	struct ifreq rs[16] = {};
	struct ifconf c = {.ifc_len = sizeof rs, .ifc_req = rs};
	R(ioctl(s, SIOCGIFCONF, &c));
	for (int i = 0; i < c.ifc_len / (int)sizeof rs[0]; i++)
		printf("  %s %s\n", rs[i].ifr_name, inet_ntoa(((struct sockaddr_in *)&rs[i].ifr_addr)->sin_addr));
}

static void aliases(void) {
	static const unsigned long all[] = {SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFBRDADDR, SIOCGIFDSTADDR};
	listed();
	R(alias(SIOCSIFADDR, "lo:1", "10.9.9.9"));
	R(alias(SIOCSIFADDR, "lo:2", "192.168.7.7"));
	R(alias(SIOCSIFADDR, "lo:many", "127.9.0.1"));
	R(alias(SIOCSIFADDR, "none:1", "10.9.9.9"));
	R(alias(SIOCSIFADDR, "lo:3", "224.0.0.1"));
	R(alias(SIOCSIFADDR, "lo:3", "0.0.0.0"));
	R(alias(SIOCSIFADDR, "lo:4", "240.0.0.1"));
	R(alias(SIOCSIFADDR, "lo:5", "10.9.9.9"));
	for (int i = 0; i < 4; i++) {
		R(alias(all[i], "lo:1", "0.0.0.0"));
		R(alias(all[i], "lo:2", "0.0.0.0"));
		R(alias(all[i], "lo:3", "0.0.0.0"));
		R(alias(all[i], "lo:", "0.0.0.0"));
		R(alias(all[i], "lo", "0.0.0.0"));
	}
	listed();
	R(alias(SIOCSIFNETMASK, "lo:1", "255.255.255.0"));
	R(alias(SIOCGIFNETMASK, "lo:1", "0.0.0.0"));
	R(alias(SIOCSIFBRDADDR, "lo:1", "10.9.9.250"));
	R(alias(SIOCGIFBRDADDR, "lo:1", "0.0.0.0"));
	R(alias(SIOCSIFDSTADDR, "lo:2", "192.168.7.8"));
	R(alias(SIOCGIFDSTADDR, "lo:2", "0.0.0.0"));
	R(alias(SIOCSIFADDR, "lo:2", "192.168.7.9"));
	R(alias(SIOCSIFNETMASK, "lo:9", "255.255.255.0"));
	struct ifreq r = {.ifr_name = "lo:1"};
	R(ioctl(s, SIOCGIFFLAGS, &r));
	printf("  %s %x\n", r.ifr_name, r.ifr_flags);
	R(ioctl(s, SIOCGIFMTU, &r));
	r.ifr_flags = IFF_UP;
	R(ioctl(s, SIOCSIFFLAGS, &r));
	listed();
	r.ifr_flags = 0;
	R(ioctl(s, SIOCSIFFLAGS, &r));
	R(ioctl(s, SIOCSIFFLAGS, &r));
	R(alias(SIOCSIFADDR, "lo:2", "0.0.0.0"));
	R(alias(SIOCSIFADDR, "lo:2", "0.0.0.0"));
	listed();
	R(alias(SIOCSIFADDR, "lo", "127.0.0.1"));
	r = (struct ifreq){.ifr_name = "lo"};
	R(ioctl(s, SIOCGIFFLAGS, &r));
	printf("  %x\n", r.ifr_flags);
}

int main() {
	s = socket(AF_INET, SOCK_DGRAM, 0);
	fresh();
	s = socket(AF_INET, SOCK_DGRAM, 0);
	walk();
	puts("-- unix");
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	walk();
	puts("-- inet6");
	s = socket(AF_INET6, SOCK_STREAM, 0);
	walk();
	s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifconf c = {};
	R(ioctl(s, SIOCGIFCONF, &c));
	printf("%d\n", c.ifc_len);
	struct ifreq rs[4] = {};
	c.ifc_len = sizeof rs, c.ifc_req = rs;
	R(ioctl(s, SIOCGIFCONF, &c));
	printf("%d %s\n", c.ifc_len, rs[0].ifr_name);
	c.ifc_len = 10;
	R(ioctl(s, SIOCGIFCONF, &c));
	printf("%d\n", c.ifc_len);
	R(addr(SIOCSIFADDR, "10.1.2.3"));
	I(SIOCGIFADDR), I(SIOCGIFNETMASK);
	R(addr(SIOCSIFNETMASK, "255.255.0.0"));
	I(SIOCGIFADDR), I(SIOCGIFNETMASK);
	R(addr(SIOCSIFNETMASK, "255.0.255.0"));
	R(addr(SIOCSIFADDR, "0.0.0.0"));
	I(SIOCGIFADDR);
	R(addr(SIOCSIFADDR, "127.0.0.1"));
	struct ifreq r = {.ifr_name = "lo", .ifr_mtu = 1500};
	R(ioctl(s, SIOCSIFMTU, &r));
	I(SIOCGIFMTU);
	r.ifr_qlen = 500;
	R(ioctl(s, SIOCSIFTXQLEN, &r));
	I(SIOCGIFTXQLEN);
	r.ifr_flags = 0;
	R(ioctl(s, SIOCSIFFLAGS, &r));
	I(SIOCGIFFLAGS);
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7000);
	R(sendto(s, "x", 1, 0, &a.sa, n));
	r.ifr_flags = IFF_UP;
	R(ioctl(s, SIOCSIFFLAGS, &r));
	R(sendto(s, "x", 1, 0, &a.sa, n));
	CHILD("unprivileged", setuid(1000); I(SIOCGIFMTU); R(ioctl(s, SIOCSIFMTU, &r)); R(ioctl(s, SIOCSIFFLAGS, &r)));
	struct timeval tv;
	R(ioctl(s, SIOCGSTAMP, &tv));
	int pid = getpid(), o = 0;
	R(ioctl(s, FIOSETOWN, &pid));
	R(ioctl(s, SIOCGPGRP, &o));
	printf("%d\n", o == pid);
	R(fcntl(s, F_GETOWN) == pid);
	int on = 1;
	R(ioctl(s, FIONBIO, &on));
	printf("%x\n", fcntl(s, F_GETFL));
	R(ioctl(s, TCGETS, &r));
	aliases();
}
