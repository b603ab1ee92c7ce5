#include "t.h"

int main(int argc, char **argv) {
	struct rlimit r;
	R(getrlimit(99, &r));
	R(getrlimit(RLIMIT_NOFILE, (void *)8));
	r = (struct rlimit){100, 50};
	R(setrlimit(RLIMIT_NOFILE, &r));
	r = (struct rlimit){50, 100};
	R(setrlimit(RLIMIT_NOFILE, &r));
	R(getrlimit(RLIMIT_NOFILE, &r));
	printf("%ld %ld\n", (long)r.rlim_cur, (long)r.rlim_max);
	struct rlimit o;
	R(prlimit(0, RLIMIT_NOFILE, 0, &o));
	R(prlimit(1 << 21, RLIMIT_NOFILE, 0, &o));
	r = (struct rlimit){4096, 4096};
	R(setrlimit(RLIMIT_FSIZE, &r));
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	char b[8192];
	R(write(fd, b, 8192));
	signal(SIGXFSZ, SIG_IGN);
	R(write(fd, b, 1));
	CHILD("xfsz", { signal(SIGXFSZ, SIG_DFL); write(fd, b, 1); });
	R(ftruncate(fd, 8192));
	CHILD("address space", {
		r = (struct rlimit){64 << 20, 64 << 20};
		setrlimit(RLIMIT_AS, &r);
		OK(mmap(0, 256 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	});
	CHILD("stack", {
		char big[1 << 20];
		memset(big, 1, sizeof big);
		printf("%d\n", big[1000]);
	});
	CHILD("as a user", {
		setuid(1000);
		r = (struct rlimit){200, 200};
		R(setrlimit(RLIMIT_NOFILE, &r));
	});
	return 0;
}
