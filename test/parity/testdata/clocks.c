#include "t.h"

int main(int argc, char **argv) {
	int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_TAI,
		     CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
	for (int i = 0; i < 9; i++) {
		struct timespec a, b;
		int r1 = clock_gettime(ids[i], &a);
		int r2 = syscall(SYS_clock_gettime, ids[i], &b);
		long d = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
		printf("%d: %d %d near %d\n", ids[i], r1, r2, d > -100 && d < 100);
	}
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (b.tv_sec < a.tv_sec || b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec)
			puts("went back");
		a = b;
	}
	R(clock_gettime(1234, &a));
	R(clock_settime(CLOCK_MONOTONIC, &a));
	struct timespec r;
	R(clock_getres(CLOCK_MONOTONIC, &r));
	printf("%ld\n", r.tv_nsec);
	R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, 0));
	struct timespec bad = {0, -1};
	R(nanosleep(&bad, 0));
	printf("%d\n", time(0) - (long)a.tv_sec > 1000);
	return 0;
}
