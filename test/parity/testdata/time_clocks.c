// Clocks: the vDSO and the system call agree, they do not go back, sleeping.
// link: dynamic
#include "show.h"
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/times.h>

static long long ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

int main(void) {
	clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
	for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
		struct timespec a, b, c;
		clock_gettime(ids[i], &a);
		syscall(SYS_clock_gettime, ids[i], &b);
		clock_gettime(ids[i], &c);
		printf("clock %d: in order %d %d, near %d\n", ids[i], ns(a) <= ns(b) + 10000000, ns(b) <= ns(c) + 10000000, ns(c) - ns(a) < 1000000000);
		SHOW(clock_getres(ids[i], &a));
	}
	int back = 0;
	struct timespec t, last = {0};
	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		back += ns(t) < ns(last);
		last = t;
	}
	printf("went back %d times\n", back);
	struct timeval tv;
	gettimeofday(&tv, NULL);
	clock_gettime(CLOCK_REALTIME, &t);
	printf("gettimeofday agrees %d, time too %d\n", llabs(t.tv_sec - tv.tv_sec) <= 1, llabs(time(NULL) - t.tv_sec) <= 1);
	printf("a sensible year: %d\n", t.tv_sec > 1700000000);
	printf("vDSO: %d\n", getauxval(AT_SYSINFO_EHDR) != 0);
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	ms(30);
	clock_gettime(CLOCK_MONOTONIC, &after);
	long long d = ns(after) - ns(before);
	printf("slept 30 ms: %d\n", d >= 30000000 && d < 2000000000);
	before = after;
	before.tv_sec++;
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &last, NULL));
	SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &last, NULL));
	SHOW(clock_nanosleep(77, 0, &last, NULL));
	SHOW(nanosleep(&(struct timespec){0, 1000000000}, NULL));
	SHOW(nanosleep(&(struct timespec){-1, 0}, NULL));
	SHOW(clock_gettime(77, &t));
	SHOW(clock_settime(CLOCK_MONOTONIC, &t));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	clock_t c0 = times(NULL);
	for (volatile int i = 0; i < 50000000; i++)
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	printf("processor time passes: %d\n", ns(after) > ns(before));
	printf("times moves on: %d\n", times(NULL) >= c0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	printf("thread time below process time: %d\n", ns(t) <= ns(after) + 50000000);
	unsigned cpu = 99999, node = 99999;
	SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
	printf("processor known: %d\n", cpu < 4096 && node < 64);
	return 0;
}
