// needs: root
#include "net.h"
#include <linux/if_packet.h>
#include <linux/filter.h>
#include <net/ethernet.h>

static void frame(int s) {
	unsigned char b[2000];
	struct sockaddr_ll a;
	socklen_t n = sizeof a;
	int r = recvfrom(s, b, sizeof b, MSG_DONTWAIT, (void *)&a, &n);
	if (r < 0) {
		printf("  nothing: %s\n", strerrorname_np(errno));
		return;
	}
	printf("  %d bytes, length %d family %d protocol %x interface %d hatype %d type %d halen %d\n", r, (int)n, a.sll_family,
	       ntohs(a.sll_protocol), a.sll_ifindex, a.sll_hatype, a.sll_pkttype, a.sll_halen);
}

static void flush(int s) {
	char b[10];
	while (recv(s, b, 10, MSG_DONTWAIT | MSG_TRUNC) >= 0)
		;
}

int main() {
	fresh();
	int lo = if_nametoindex("lo");
	int u = bound(SOCK_DGRAM, "127.0.0.1", 7000), c = dial(SOCK_DGRAM, "127.0.0.1", 7000);
	int raw = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), dg = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	int none = socket(AF_PACKET, SOCK_RAW, 0), arp = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP));
	R(send(c, "hello", 5, 0));
	usleep(20000);
	frame(raw), frame(raw), frame(raw);
	frame(dg), frame(dg);
	frame(none), frame(arp);
	struct sockaddr_ll a = {AF_PACKET, htons(ETH_P_IP), lo};
	R(bind(none, (void *)&a, sizeof a));
	R(bind(none, (void *)&a, sizeof a - 1));
	a.sll_ifindex = 99;
	R(bind(none, (void *)&a, sizeof a));
	socklen_t n = sizeof a;
	R(getsockname(none, (void *)&a, &n));
	printf("%d %x %d %d %d\n", (int)n, ntohs(a.sll_protocol), a.sll_ifindex, a.sll_hatype, a.sll_halen);
	R(getpeername(none, (void *)&a, &n));
	R(connect(none, (void *)&a, sizeof a));
	R(listen(none, 1));
	R(send(c, "again", 5, 0));
	usleep(20000);
	frame(none);
	frame(none);
	// Auxiliary data and statistics.
	flush(raw);
	R(setopt(raw, SOL_PACKET, PACKET_AUXDATA, 1));
	R(send(c, "aux", 3, 0));
	usleep(20000);
	char b[20], ctl[100];
	struct iovec v = {b, 20};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	R(recvmsg(raw, &m, 0));
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (h) {
		struct tpacket_auxdata *x = (void *)CMSG_DATA(h);
		printf("flags %x aux: level %d type %d len %d snaplen %d mac %d net %d tci %d\n", m.msg_flags, h->cmsg_level, h->cmsg_type, x->tp_len, x->tp_snaplen, x->tp_mac, x->tp_net, x->tp_vlan_tci);
	}
	struct tpacket_stats st;
	n = sizeof st;
	R(getsockopt(dg, SOL_PACKET, PACKET_STATISTICS, &st, &n));
	printf("%u packets, %u drops\n", st.tp_packets, st.tp_drops);
	R(getsockopt(dg, SOL_PACKET, PACKET_STATISTICS, &st, &n));
	printf("%u packets, %u drops\n", st.tp_packets, st.tp_drops);
	// A filter: only what is longer than 60 bytes, and of that 20.
	struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_JMP | BPF_JGT | BPF_K, 0, 1, 60}, {BPF_RET | BPF_K, 0, 0, 20}, {BPF_RET | BPF_K, 0, 0, 0}};
	struct sock_fprog prog = {4, code};
	int f = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	R(setsockopt(f, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
	flush(f);
	R(send(c, "short", 5, 0));
	R(send(c, "longer than the filter wants a datagram to be", 45, 0));
	usleep(20000);
	frame(f), frame(f), frame(f);
	prog.len = 0;
	R(setsockopt(f, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
	prog.len = 4, code[1].jt = 9;
	R(setsockopt(f, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
	prog.filter = (void *)8;
	R(setsockopt(f, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
	R(setsockopt(f, SOL_SOCKET, SO_ATTACH_FILTER, &prog, 8));
	R(setopt(f, SOL_SOCKET, SO_DETACH_FILTER, 0));
	R(setopt(f, SOL_SOCKET, SO_DETACH_FILTER, 0));
	// Sending a frame of one's own: UDP to the socket that is bound.
	unsigned char out[14 + 28 + 4] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0x1b, 0x59, 0x1b, 0x58, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
	unsigned sum = 0;
	for (int i = 14; i < 34; i += 2)
		sum += out[i] << 8 | out[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	out[24] = sum >> 8, out[25] = sum;
	flush(u);
	struct sockaddr_ll to = {AF_PACKET, htons(ETH_P_IP), lo, 0, 0, 6};
	R(sendto(f, out, sizeof out, 0, (void *)&to, sizeof to));
	R(sendto(dg, out + 14, sizeof out - 14, 0, (void *)&to, sizeof to));
	R(sendto(dg, out + 14, sizeof out - 14, 0, (void *)&to, 11));
	to.sll_ifindex = 99;
	R(sendto(dg, out + 14, sizeof out - 14, 0, (void *)&to, sizeof to));
	R(write(dg, "x", 1));
	R(send(f, out, 5, 0));
	CHILD("unprivileged", setuid(1000); R(socket(AF_PACKET, SOCK_RAW, 0)); R(socket(AF_INET, SOCK_RAW, 1)));
}
