#include "t.h"

int main(int argc, char **argv) {
	struct utsname u;
	R(uname(&u));
	printf("%s %s %d\n", u.sysname, u.machine, atoi(u.release) >= 5);
	struct sysinfo s;
	R(sysinfo(&s));
	printf("%d %d\n", s.totalram > 0, s.procs > 0);
	char b[64] = {0}, z[64] = {0};
	R(getrandom(b, 64, 0));
	printf("%d\n", memcmp(b, z, 64) != 0);
	R(getrandom(b, 64, 0x80));
	R(sysconf(_SC_PAGESIZE));
	R(sysconf(_SC_NPROCESSORS_ONLN));
	R(sysconf(_SC_CLK_TCK));
	cpu_set_t c;
	R(sched_getaffinity(0, sizeof c, &c));
	printf("%d\n", CPU_COUNT(&c));
	CPU_ZERO(&c);
	R(sched_setaffinity(0, sizeof c, &c));
	CPU_SET(0, &c);
	R(sched_setaffinity(0, sizeof c, &c));
	R(sched_getaffinity(0, sizeof c, &c));
	printf("%d\n", CPU_COUNT(&c));
	R(sched_getcpu() >= 0);
	R(sched_getscheduler(0));
	R(sched_get_priority_max(SCHED_FIFO));
	R(sched_yield());
	R(getpriority(PRIO_PROCESS, 0));
	R(setpriority(PRIO_PROCESS, 0, 5));
	R(getpriority(PRIO_PROCESS, 0));
	R(syscall(SYS_membarrier, 0, 0) > 0);
	R(syscall(SYS_membarrier, 1 << 3, 0));
	R(syscall(SYS_membarrier, 1 << 4, 0));
	R(syscall(SYS_membarrier, 1 << 3, 0));
	R(sethostname("x", -1));
	R(syscall(SYS_personality, 0xffffffff));
	return 0;
}
