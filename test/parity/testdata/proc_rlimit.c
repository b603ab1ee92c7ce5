// Resource limits and what happens at them.
#include "show.h"
#include <sys/resource.h>

static void show_limit(int what) {
	struct rlimit r;
	getrlimit(what, &r);
	printf("limit %d: %ld %ld\n", what, (long)r.rlim_cur, (long)r.rlim_max);
}

int main(void) {
	struct rlimit r, old;
	SHOW(getrlimit(RLIMIT_NLIMITS, &r));
	SHOW(prlimit(0, RLIMIT_NOFILE, NULL, NULL));
	r = (struct rlimit){10, 20};
	SHOW(setrlimit(RLIMIT_NOFILE, &r));
	show_limit(RLIMIT_NOFILE);
	SHOW(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){8, 15}, &old));
	printf("old %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
	SHOW(setrlimit(RLIMIT_NOFILE, &(struct rlimit){16, 15}));
	SHOW(dup2(0, 7));
	SHOW(dup2(0, 8));
	SHOW(fcntl(0, F_DUPFD, 8));
	int fd;
	while ((fd = dup(0)) >= 0)
		printf("dup %d\n", fd);
	puts(strerrorname_np(errno));
	SHOW(open("x", O_CREAT | O_RDWR, 0600));
	close(6);
	FORK("inherited", show_limit(RLIMIT_NOFILE));
	SHOW(prlimit(1 << 22, RLIMIT_NOFILE, NULL, &old));
	FORK("file size", {
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, 100});
		int f = open("f", O_CREAT | O_RDWR, 0600);
		char b[200];
		memset(b, 'x', sizeof b);
		SHOW(write(f, b, 60));
		SHOW(write(f, b, 60));
		signal(SIGXFSZ, SIG_IGN);
		SHOW(write(f, b, 60));
		SHOW(ftruncate(f, 101));
		signal(SIGXFSZ, SIG_DFL);
		SHOW(pwrite(f, b, 1, 100));
	});
	FORK("processor time", {
		setrlimit(RLIMIT_CPU, &(struct rlimit){1, 2});
		for (;;)
			;
	});
	FORK("address space", {
		setrlimit(RLIMIT_AS, &(struct rlimit){256 << 20, 256 << 20});
		printf("refused: %d\n", mmap(NULL, 512 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
		printf("granted: %d\n", mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	});
	struct rusage u;
	SHOW(getrusage(RUSAGE_SELF, &u));
	SHOW(getrusage(RUSAGE_CHILDREN, &u));
	printf("the spinning child counted: %d\n", u.ru_utime.tv_sec * 1000 + u.ru_utime.tv_usec / 1000 + u.ru_stime.tv_sec * 1000 + u.ru_stime.tv_usec / 1000 > 800);
	SHOW(getrusage(RUSAGE_THREAD, &u));
	SHOW(getrusage(77, &u));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 5));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(nice(3));
	return 0;
}
