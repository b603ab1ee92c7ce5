// needs: root
#include "net.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>

static int fan(int s, unsigned id, unsigned type) { return setopt(s, SOL_PACKET, PACKET_FANOUT, id | type << 16); }

static int sock(int protocol) { return socket(AF_PACKET, SOCK_DGRAM, htons(protocol)); }

static int lo;

// member is a new socket on the loopback interface, in the group.
static int member(unsigned id, unsigned type) {
	int s = sock(0);
	struct sockaddr_ll a = {AF_PACKET, htons(ETH_P_IP), lo};
	if (bind(s, (void *)&a, sizeof a) || fan(s, id, type))
		printf("member of %u: %s\n", id, strerrorname_np(errno));
	return s;
}

// count reads all there is and says how many frames it was, and the last length.
static int count(int s, int *length) {
	char b[3000];
	int n, k = 0;
	while ((n = recv(s, b, sizeof b, MSG_DONTWAIT)) >= 0)
		k++, *length = n;
	return k;
}

static void many(int *s, int n, const char *what) {
	printf("%s:", what);
	for (int i = 0; i < n; i++) {
		int length = 0, k = count(s[i], &length);
		printf(" %d (%d)", k, length);
	}
	printf("\n");
}

static void errors(void) {
	int a = sock(0), b = sock(ETH_P_IP);
	R(fan(a, 1, 0));
	struct sockaddr_ll l = {AF_PACKET, htons(ETH_P_IP), lo};
	R(bind(a, (void *)&l, sizeof l));
	R(fan(a, 1, 0));
	R(fan(a, 1, 0));
	R(fan(b, 1, 0)); // another interface
	R(fan(b, 1, 1));
	R(fan(b, 2, 8));
	R(fan(b, 2, PACKET_FANOUT_ROLLOVER | PACKET_FANOUT_FLAG_ROLLOVER));
	R(fan(b, 2, PACKET_FANOUT_FLAG_UNIQUEID));
	R(fan(b, 0, PACKET_FANOUT_FLAG_UNIQUEID));
	printf("group %x %d\n", opt(a, SOL_PACKET, PACKET_FANOUT), opt(b, SOL_PACKET, PACKET_FANOUT) != 0);
	R(bind(a, (void *)&l, sizeof l));
	unsigned long long st[3];
	socklen_t n = sizeof st;
	R(getsockopt(a, SOL_PACKET, PACKET_ROLLOVER_STATS, st, &n));
	int d = member(3, PACKET_FANOUT_RND | PACKET_FANOUT_FLAG_ROLLOVER);
	R(getsockopt(d, SOL_PACKET, PACKET_ROLLOVER_STATS, st, &n));
	printf("%d: %llu %llu %llu, group %x\n", (int)n, st[0], st[1], st[2], opt(d, SOL_PACKET, PACKET_FANOUT));
	struct fanout_args f = {.id = 4, .type_flags = PACKET_FANOUT_LB, .max_num_members = 1};
	int x = sock(ETH_P_IP), y = sock(ETH_P_IP);
	R(setsockopt(x, SOL_PACKET, PACKET_FANOUT, &f, sizeof f));
	R(setsockopt(y, SOL_PACKET, PACKET_FANOUT, &f, sizeof f));
	f.max_num_members = 2;
	R(setsockopt(y, SOL_PACKET, PACKET_FANOUT, &f, sizeof f));
	f.id = 5, f.max_num_members = 65537;
	R(setsockopt(y, SOL_PACKET, PACKET_FANOUT, &f, sizeof f));
	f.max_num_members = 65536;
	R(setsockopt(y, SOL_PACKET, PACKET_FANOUT, &f, sizeof f));
	R(setsockopt(y, SOL_PACKET, PACKET_FANOUT, &f, 6));
	char data[16] = {};
	R(setsockopt(y, SOL_PACKET, PACKET_FANOUT_DATA, data, 16));
	R(setsockopt(sock(0), SOL_PACKET, PACKET_FANOUT_DATA, data, 16));
	int e = member(6, PACKET_FANOUT_CBPF);
	R(setsockopt(e, SOL_PACKET, PACKET_FANOUT_DATA, data, 16));
	R(setsockopt(e, SOL_PACKET, PACKET_FANOUT_DATA, data, 15));
	R(opt(e, SOL_PACKET, PACKET_FANOUT_DATA));
	// The last one takes the group with it.
	close(x);
	f.id = 4, f.max_num_members = 7;
	R(setsockopt(sock(ETH_P_IP), SOL_PACKET, PACKET_FANOUT, &f, sizeof f));
	close(a), close(b), close(d), close(y), close(e);
}

int main() {
	fresh();
	lo = if_nametoindex("lo");
	errors();
	int u = bound(SOCK_DGRAM, "127.0.0.1", 7000), c = dial(SOCK_DGRAM, "127.0.0.1", 7000), c2 = dial(SOCK_DGRAM, "127.0.0.1", 7000);
	int lb[3], hash[3], prog[3], whole[2], roll[2], outside = sock(ETH_P_IP);
	for (int i = 0; i < 3; i++) {
		lb[i] = member(100, PACKET_FANOUT_LB);
		hash[i] = member(101, PACKET_FANOUT_HASH);
		prog[i] = member(102, PACKET_FANOUT_CBPF);
	}
	for (int i = 0; i < 2; i++) {
		whole[i] = member(103, PACKET_FANOUT_LB | PACKET_FANOUT_FLAG_DEFRAG);
		roll[i] = member(104, PACKET_FANOUT_ROLLOVER);
	}
	// By the last byte of the network's packet.
	struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_LEN}, {BPF_ALU | BPF_SUB | BPF_K, 0, 0, 1}, {BPF_MISC | BPF_TAX}, {BPF_LD | BPF_B | BPF_IND, 0, 0, 0}, {BPF_RET | BPF_A}};
	struct sock_fprog p = {5, code};
	R(setsockopt(prog[2], SOL_PACKET, PACKET_FANOUT_DATA, &p, sizeof p));
	for (int i = 0; i < 10; i++) {
		unsigned char b = i % 5;
		send(c, &b, 1, 0);
	}
	usleep(20000);
	int length = 0;
	printf("outside: %d\n", count(outside, &length));
	many(lb, 3, "in turn");
	many(prog, 3, "by program");
	many(whole, 2, "whole");
	many(roll, 2, "rolling");
	int k[3], full = 0, none = 0;
	for (int i = 0; i < 3; i++)
		k[i] = count(hash[i], &length), full += k[i] == 10, none += k[i] == 0;
	printf("by flow: all to %d, nothing to %d\n", full, none);
	// Of two flows in both directions each has one.
	union addr a;
	socklen_t n = sizeof a;
	getsockname(c2, &a.sa, &n);
	for (int i = 0; i < 4; i++) {
		send(c2, "to", 2, 0);
		sendto(u, "fro", 3, 0, &a.sa, n);
	}
	usleep(20000);
	for (int i = 0, full = 0; i < 3; i++)
		if ((full += count(hash[i], &length) == 8) && i == 2)
			printf("both ways to one: %d\n", full);
	// Who leaves leaves his place to the last one.
	close(lb[0]);
	many(lb + 1, 2, "before");
	for (int i = 0; i < 4; i++)
		send(c, "left", 4, 0);
	usleep(20000);
	many(lb + 1, 2, "after one left");
	// Fragments.
	for (int i = 0; i < 2; i++)
		count(whole[i], &length);
	setopt(c, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	struct ifreq r = {.ifr_name = "lo", .ifr_mtu = 1000};
	R(ioctl(c, SIOCSIFMTU, &r));
	char big[2500] = {};
	R(send(c, big, sizeof big, 0));
	usleep(20000);
	many(lb + 1, 2, "fragments");
	many(whole, 2, "put together");
}
