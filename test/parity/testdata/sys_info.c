// uname, sysinfo, getrandom, getcpu, affinity, scheduling, personality.
#include "show.h"
#include <sched.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
	struct utsname u;
	SHOW(uname(&u));
	int major = 0, minor = 0;
	printf("%s %s, release %d, version starts with # %d\n", u.sysname, u.machine, sscanf(u.release, "%d.%d", &major, &minor), u.version[0] == '#');
	printf("6.x %d\n", major == 6);
	struct sysinfo s;
	SHOW(sysinfo(&s));
	printf("uptime %d ram %d free %d procs %d unit %d\n", s.uptime >= 0, s.totalram > 0, s.freeram <= s.totalram, s.procs > 0, s.mem_unit > 0);
	unsigned char a[64] = {0}, b[64] = {0};
	SHOW(getrandom(a, 64, 0));
	SHOW(getrandom(b, 64, GRND_NONBLOCK));
	printf("differ %d\n", memcmp(a, b, 64) != 0);
	SHOW(getrandom(a, 10, 99));
	SHOW(getrandom(a, 64, GRND_RANDOM) > 0);
	SHOW(getrandom(a, 64, GRND_INSECURE));
	SHOW(getrandom(a, 64, GRND_INSECURE | GRND_RANDOM));
	SHOW(getrandom(a, 0, 0));
	cpu_set_t set;
	SHOW(sched_getaffinity(0, sizeof set, &set));
	printf("processors as sysconf says %d\n", CPU_COUNT(&set) == sysconf(_SC_NPROCESSORS_ONLN));
	SHOW(syscall(SYS_sched_getaffinity, 0, 1, &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, 12, &set));
	SHOW(sched_getaffinity(-1, sizeof set, &set));
	SHOW(sched_setaffinity(-1, sizeof set, &set));
	SHOW(sched_getaffinity(1 << 22, sizeof set, &set));
	CPU_ZERO(&set);
	SHOW(sched_setaffinity(0, sizeof set, &set));
	CPU_SET(0, &set);
	SHOW(sched_setaffinity(0, sizeof set, &set));
	SHOW(sched_getaffinity(0, sizeof set, &set));
	printf("now %d\n", CPU_COUNT(&set));
	FORK("inherited", { sched_getaffinity(0, sizeof set, &set); printf("%d\n", CPU_COUNT(&set)); });
	struct sched_param sp = {0};
	SHOW(sched_getscheduler(0));
	SHOW(sched_getparam(0, &sp));
	SHOW(sched_setscheduler(0, SCHED_BATCH, &sp));
	SHOW(sched_getscheduler(0));
	SHOW(sched_setscheduler(0, 99, &sp));
	sp.sched_priority = 5;
	SHOW(sched_setscheduler(0, SCHED_OTHER, &sp));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_FIFO));
	SHOW(sched_get_priority_max(SCHED_OTHER));
	SHOW(sched_get_priority_max(77));
	SHOW(sched_yield());
	struct timespec t;
	SHOW(sched_rr_get_interval(1 << 22, &t));
	SHOW(personality(0xffffffff));
	SHOW(personality(ADDR_NO_RANDOMIZE));
	SHOW(personality(0xffffffff));
	FORK("inherited", SHOW(personality(0xffffffff)));
	char host[100];
	SHOW(gethostname(host, sizeof host));
	printf("uname agrees %d\n", !strcmp(host, u.nodename));
	SHOW(syscall(SYS_sethostname, "x", 1000));
	SHOW(sysconf(_SC_PAGESIZE));
	SHOW(sysconf(_SC_CLK_TCK));
	return 0;
}
