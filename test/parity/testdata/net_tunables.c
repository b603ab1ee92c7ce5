// needs: root
#include "net.h"

// What may be written to the parameters of TCP and of IPv4: each file of
// /proc/sys/net/ipv4 that a network namespace has of its own, what becomes of
// numbers that fit and of those that do not, and of what is no number.

static const char *texts[] = {"-1", "0", "1", "2", "3", "5", "127", "128", "255", "256", "1000", "65535", "65536", "120001", "2147483647", "2147483648",
	"4294967295", "4294967296", "-2147483648", "9999999999999999999999", "1 2 3", "3 2 1", "1 2 3 4", "0x10", "010", " 7 ", "7\n", "5 x", "x", "", "\n"};

static void read_back(const char *path) {
	char b[200] = "";
	int fd = open(path, O_RDONLY);
	int n = fd < 0 ? -1 : read(fd, b, sizeof b - 1);
	if (n < 0) {
		printf(" %s", strerrorname_np(errno));
		close(fd);
		return;
	}
	for (int i = 0; i < n; i++)
		if (b[i] == '\n' || b[i] == '\t')
			b[i] = b[i] == '\n' ? 0 : ',';
	printf(" %s", b);
	close(fd);
}

static int skipped(const char *name) {
	// Other values of these are those of the machine's memory and the host's settings,
	// or say what there is: tcp_rmem and its like are set below before they are shown.
	static const char *no[] = {"tcp_mem", "udp_mem", "tcp_max_orphans", "tcp_available_congestion_control", "tcp_allowed_congestion_control",
		"tcp_congestion_control", "tcp_fastopen_key", "tcp_ehash_entries", "udp_hash_entries", "tcp_max_tw_buckets", "tcp_max_syn_backlog",
		"ip_local_reserved_ports", "tcp_available_ulp", "ip_forward", "ipfrag_low_thresh", "ipfrag_high_thresh",
		// Counted in the kernel's ticks, in which large numbers overflow.
		"icmp_ratelimit", "tcp_invalid_ratelimit",
		// Of things that depend on how a kernel was built.
		"icmp_echo_enable_probe", "tcp_l3mdev_accept", "udp_l3mdev_accept", "udp_hash_entries", "udp_child_hash_entries", "udp_mem"};
	if (strncmp(name, "tcp_", 4) && strncmp(name, "udp_", 4) && strncmp(name, "ip", 2) && strncmp(name, "icmp_", 5) && strncmp(name, "igmp_", 5))
		return 1;
	for (unsigned i = 0; i < sizeof no / sizeof no[0]; i++)
		if (!strcmp(no[i], name))
			return 1;
	return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

int main(int argc, char **argv) {
	fresh();
	static char *names[400];
	int n = 0;
	const char *dir = "/proc/sys/net/ipv4";
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_type == DT_REG && !skipped(e->d_name))
			names[n++] = strdup(e->d_name);
	qsort(names, n, sizeof names[0], by_name);
	spew("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456");
	spew("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304");
	for (int i = 0; i < n; i++) {
		char path[200];
		struct stat st;
		sprintf(path, "%s/%s", dir, names[i]);
		stat(path, &st);
		printf("%s %o:", names[i], st.st_mode & 0777);
		read_back(path);
		for (unsigned k = 0; k < sizeof texts / sizeof texts[0]; k++) {
			int fd = open(path, O_WRONLY);
			if (fd < 0) {
				printf(" open %s", strerrorname_np(errno));
				break;
			}
			int r = write(fd, texts[k], strlen(texts[k]));
			if (r < 0)
				printf(" [%u %s]", k, strerrorname_np(errno));
			else {
				printf(" [%u", k);
				read_back(path);
				printf("]");
			}
			close(fd);
		}
		printf("\n");
	}
}
