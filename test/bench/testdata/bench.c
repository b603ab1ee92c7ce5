// The programs of the benchmark: one a name. Each prints nanoseconds an
// operation.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void die(const char *what) {
	perror(what);
	exit(1);
}

static const char *tmp_file(const char *dir) {
	static char name[64];
	snprintf(name, sizeof name, "%s/bench-data", dir);
	int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
	char b[65536];
	memset(b, 'x', sizeof b);
	if (fd < 0 || write(fd, b, sizeof b) != sizeof b)
		die(name);
	close(fd);
	return name;
}

static void op_getppid(void) { syscall(SYS_getppid); }

static void op_clock(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
}

static int fd_zero;
static void op_zero(void) {
	char b[4096];
	if (read(fd_zero, b, sizeof b) != sizeof b)
		die("read");
}

static void op_stat(void) {
	struct stat s;
	if (stat("/usr/bin/env", &s))
		die("stat");
}

static void op_open(void) {
	int fd = open("/usr/bin/env", O_RDONLY);
	if (fd < 0)
		die("open");
	close(fd);
}

static int fd_data;
static void op_pread(void) {
	char b[4096];
	if (pread(fd_data, b, sizeof b, 4096) != sizeof b)
		die("pread");
}

static int to[2], from[2];
static void op_pipe(void) {
	char c = 0;
	if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
		die("pipe");
}

static void op_mmap(void) {
	const size_t n = 1 << 20;
	char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1;
	munmap(p, n);
}

static void op_fork(void) {
	pid_t p = fork();
	if (p == 0)
		_exit(0);
	if (p < 0 || waitpid(p, 0, 0) != p)
		die("fork");
}

static char *self;
static void op_exec(void) {
	pid_t p = fork();
	if (p == 0) {
		execl(self, self, "nothing", (char *)0);
		_exit(1);
	}
	int s;
	if (p < 0 || waitpid(p, &s, 0) != p || s != 0)
		die("exec");
}

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

static pid_t traced;

// op_stop is the least that a tracer does to answer a call: nothing but to fetch the
// registers and to give them back.
static void op_stop(void) {
	struct user_regs_struct r;
	int s;
	if (ptrace(PTRACE_SYSEMU, traced, 0, 0) || waitpid(traced, &s, __WALL) != traced || !WIFSTOPPED(s) ||
	    ptrace(PTRACE_GETREGS, traced, 0, &r))
		die("ptrace");
	r.rax = 1;
	if (ptrace(PTRACE_SETREGS, traced, 0, &r))
		die("ptrace");
}

// trace starts a process that makes calls on this one's processor, where a stop costs
// least.
static void trace(void) {
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof here, &here))
		die("sched_setaffinity");
	traced = fork();
	if (traced == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		for (;;)
			syscall(SYS_getppid);
	}
	int s;
	if (traced < 0 || waitpid(traced, &s, 0) != traced || !WIFSTOPPED(s) || ptrace(PTRACE_SETOPTIONS, traced, 0, PTRACE_O_EXITKILL))
		die("trace");
}

// run repeats op for about a quarter of a second and prints the best of five
// rounds.
static void run(void (*op)(void)) {
	double best = 1e18;
	long n = 1;
	for (;;) {
		double t = now();
		for (long i = 0; i < n; i++)
			op();
		t = now() - t;
		if (t > 2e7) {
			n = n * 5e7 / t + 1;
			break;
		}
		n *= 4;
	}
	for (int r = 0; r < 5; r++) {
		double t = now();
		for (long i = 0; i < n; i++)
			op();
		t = (now() - t) / n;
		if (t < best)
			best = t;
	}
	printf("%.1f\n", best);
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	self = argv[0];
	if (!strcmp(what, "nothing"))
		return 0;
	if (!strcmp(what, "getppid"))
		run(op_getppid);
	else if (!strcmp(what, "stop")) {
		trace();
		run(op_stop);
	} else if (!strcmp(what, "clock_gettime"))
		run(op_clock);
	else if (!strcmp(what, "read-zero")) {
		fd_zero = open("/dev/zero", O_RDONLY);
		run(op_zero);
	} else if (!strcmp(what, "stat"))
		run(op_stat);
	else if (!strcmp(what, "open-close"))
		run(op_open);
	else if (!strcmp(what, "pread-tmpfs")) {
		fd_data = open(tmp_file("/tmp"), O_RDONLY);
		run(op_pread);
	} else if (!strcmp(what, "pread-root")) {
		fd_data = open("/usr/bin/env", O_RDONLY);
		run(op_pread);
	} else if (!strcmp(what, "pipe")) {
		if (pipe(to) || pipe(from))
			die("pipe");
		pid_t p = fork();
		if (p == 0) {
			char c;
			close(to[1]);
			while (read(to[0], &c, 1) == 1)
				if (write(from[1], &c, 1) != 1)
					break;
			_exit(0);
		}
		run(op_pipe);
		close(to[1]);
		waitpid(p, 0, 0);
	} else if (!strcmp(what, "mmap-touch"))
		run(op_mmap);
	else if (!strcmp(what, "fork-wait"))
		run(op_fork);
	else if (!strcmp(what, "fork-exec-wait"))
		run(op_exec);
	else {
		fprintf(stderr, "no benchmark %s\n", what);
		return 2;
	}
	return 0;
}
