// needs: root
#include "net.h"
#include <setjmp.h>
#include <sys/mman.h>

// TCP_ZEROCOPY_RECEIVE of what was written in pieces that fill no pages: nothing is
// mapped, and what there is to be read or was copied is told. struct
// tcp_zerocopy_receive is of the kernel's headers, in which all of TCP is declared again.
static struct {
	uint64_t address;
	uint32_t length, skip, inq;
	int32_t err;
	uint64_t copy_address;
	int32_t copy_len;
	uint32_t flags;
	uint64_t control, controllen;
	uint32_t msg_flags, reserved;
	char more[16];
} z;

static char *area, *anon;

static void ask(const char *what, int s, socklen_t n) {
	int r = getsockopt(s, IPPROTO_TCP, 35, &z, &n);
	printf("%s: %s %d", what, r ? strerrorname_np(errno) : "done", n);
	printf(": length %u skip %u inq %u err %d copied %d flags %u %u\n", z.length, z.skip, z.inq, z.err, z.copy_len, z.flags, z.msg_flags);
}

#define Z(what, s, ...)                           \
	do {                                      \
		memset(&z, 0, sizeof z);          \
		z.address = (long)area;           \
		z.length = 4096;                  \
		__VA_ARGS__;                      \
		ask(what ", " #__VA_ARGS__, s, 64); \
	} while (0)

static void pair(int *a, int *b) {
	int l = listening("127.0.0.1", 5000);
	*a = dial(SOCK_STREAM, "127.0.0.1", 5000);
	*b = accept(l, 0, 0);
	close(l);
}

static void put(int a, int b, int n) {
	static char buf[1 << 16];
	memset(buf, 'x', sizeof buf);
	send(a, buf, n, 0);
	for (int k = 0, i = 0; k < n && i < 1000; i++) {
		ioctl(b, FIONREAD, &k);
		if (k < n)
			usleep(1000);
	}
}

static void maps(int s) {
	struct {
		int prot, flags;
		long off;
	} m[] = {{PROT_READ, MAP_SHARED, 0}, {PROT_READ, MAP_PRIVATE, 0}, {PROT_NONE, MAP_SHARED, 4096}, {PROT_READ | PROT_WRITE, MAP_SHARED, 0},
		 {PROT_READ | PROT_WRITE, MAP_PRIVATE, 0}, {PROT_READ | PROT_EXEC, MAP_SHARED, 0}, {PROT_READ, MAP_SHARED, 100}};
	for (unsigned i = 0; i < sizeof m / sizeof *m; i++) {
		void *p = mmap(0, 8192, m[i].prot, m[i].flags, s, m[i].off);
		printf("mmap %d: %s", i, p == MAP_FAILED ? strerrorname_np(errno) : "done");
		if (p != MAP_FAILED) {
			printf(", to be written %s", mprotect(p, 8192, PROT_READ | PROT_WRITE) ? strerrorname_np(errno) : "done");
			printf(", executed %s", mprotect(p, 8192, PROT_READ | PROT_EXEC) ? strerrorname_np(errno) : "done");
			munmap(p, 8192);
		}
		printf("\n");
	}
}

static sigjmp_buf back;
static void bus(int sig, siginfo_t *i, void *u) { siglongjmp(back, sig * 10 + i->si_code); }

int main(void) {
	fresh();
	int a, b;
	pair(&a, &b);
	maps(b);
	area = mmap(0, 1 << 20, PROT_READ, MAP_SHARED, b, 0);
	anon = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction sa = {.sa_sigaction = bus, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigaction(SIGBUS, &sa, 0);
	int caught = sigsetjmp(back, 1);
	if (caught == 0)
		printf("read %d\n", *(volatile char *)area);
	printf("touched: signal %d code %d\n", caught / 10, caught % 10);
	R(write(open("/dev/null", O_WRONLY), area, 10));
	Z("nothing", b);
	put(a, b, 100);
	for (int n = 0; n <= 80; n += 4) {
		memset(&z, 0, sizeof z);
		z.address = (long)area, z.length = 4096, z.skip = z.inq = 77;
		char what[40];
		sprintf(what, "length %d", n);
		ask(what, b, n);
	}
	memset(&z, 0, sizeof z), z.more[3] = 1;
	ask("more than there is", b, 80);
	Z("100", b);
	Z("100", b, z.address = (long)anon);
	Z("100", b, z.address = 0, z.length = 0);
	Z("100", b, z.address += 5);
	Z("100", b, z.address = -4096);
	Z("100", b, z.flags = 1);
	Z("100", b, z.flags = 6);
	Z("100", b, z.reserved = 1);
	Z("100", b, z.msg_flags = 4);
	Z("100", b, z.msg_flags = 2);
	Z("100", b, z.copy_address = (long)anon, z.copy_len = 10);
	Z("100", b, z.copy_address = (long)anon, z.copy_len = -10);
	Z("100", b, z.copy_address = 1, z.copy_len = 10);
	Z("100", b, z.copy_address = 1, z.copy_len = 4096);
	Z("100", b, z.copy_address = -50, z.copy_len = 4096);
	Z("100", b, z.copy_address = (long)anon, z.copy_len = 4096);
	printf("  %.3s\n", anon);
	Z("empty again", b, z.copy_address = (long)anon, z.copy_len = 4096);
	put(a, b, 20000);
	Z("20000", b, z.address = (long)anon);
	Z("20000", b, z.address = 0);
	Z("20000", b, z.length = 1000);
	Z("20000", b, z.length = 0);
	Z("20000", b, z.length = 65536);
	Z("20000", b, z.address += (1 << 20) - 4096, z.length = 65536);
	Z("20000", b, z.address += 1 << 20, z.length = 65536);
	Z("20000", b, z.copy_address = 1, z.copy_len = 4096);
	Z("20000", b, z.length = 1 << 20, z.copy_address = (long)anon, z.copy_len = 4096);
	Z("15904", b, z.length = 1000, z.copy_address = (long)anon, z.copy_len = 4000);
	Z("14904", b, z.length = 1 << 20, z.copy_address = (long)anon, z.copy_len = 1 << 20);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	Z("not connected", s);
	maps(s);
	listen(s, 1);
	Z("listening", s);
	maps(s);
	maps(socket(AF_INET, SOCK_DGRAM, 0));
	Z("of UDP", socket(AF_INET, SOCK_DGRAM, 0));
	put(a, b, 50);
	close(a);
	until(b, POLLRDHUP);
	Z("the end behind 50", b);
	Z("the end behind 50", b, z.copy_address = (long)anon, z.copy_len = 4096);
	Z("the end", b);
	Z("the end", b, z.copy_address = (long)anon, z.copy_len = 4096);
	pair(&a, &b);
	struct linger l = {1, 0};
	setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof l);
	close(a);
	until(b, POLLERR);
	Z("reset", b);
	Z("reset, told", b);
	R(setsockopt(b, IPPROTO_TCP, 35, &z, 64));
	return 0;
}
