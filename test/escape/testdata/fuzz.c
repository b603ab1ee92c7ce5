// Random system calls with random arguments: fuzz SEED COUNT. Children make
// them, a hundred each; the parent only counts.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;

static unsigned long rnd(void) {
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static char *page;

static unsigned long argument(void) {
	switch (rnd() % 10) {
	case 0:
		return 0;
	case 1:
		return -1;
	case 2:
		return rnd() % 16;
	case 3:
		return rnd() % 4096;
	case 4:
		return (unsigned long)page + rnd() % 8192;
	case 5:
		return (unsigned long)page;
	case 6:
		return 1UL << rnd() % 64;
	case 7:
		return 0x7fffffffffffUL - rnd() % 8192;
	case 8:
		return rnd() % 64 + (rnd() % 64 << 12);
	}
	return rnd();
}

static void child(void) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 8192; i++)
		page[i] = rnd();
	strcpy(page, "/tmp/x");
	for (int i = 0; i < 100; i++) {
		long nr = rnd() % 470;
		if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3 ||
		    nr == SYS_kill || nr == SYS_tkill || nr == SYS_tgkill || nr == SYS_rt_sigqueueinfo || nr == SYS_reboot || nr == SYS_pause)
			continue;
		alarm(1);
		syscall(nr, argument(), argument(), argument(), argument(), argument(), argument());
	}
	_exit(0);
}

int main(int argc, char **argv) {
	long seed = atol(argv[1]), count = atol(argv[2]);
	page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long n = 0; n < count; n += 100) {
		state = seed * 1000003 + n + 1;
		pid_t p = fork();
		if (p == 0)
			child();
		for (int i = 0; i < 400; i++) {
			if (waitpid(p, 0, WNOHANG) == p)
				break;
			usleep(i < 20 ? 1000 : 10000);
			if (i == 399) {
				kill(p, SIGKILL);
				waitpid(p, 0, 0);
			}
		}
	}
	puts("all called");
	return 0;
}
