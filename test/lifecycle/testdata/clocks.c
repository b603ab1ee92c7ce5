// The clocks of a time namespace: each by the vDSO and by a system call, after a
// sleep until a time of it.
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	int ids[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_REALTIME };
	for (int i = 0; i < 5; i++) {
		struct timespec a, b;
		clock_gettime(ids[i], &a);
		if (ids[i] == CLOCK_MONOTONIC || ids[i] == CLOCK_BOOTTIME) {
			struct timespec until = { a.tv_sec, a.tv_nsec + 20000000 };
			if (until.tv_nsec >= 1000000000)
				until.tv_sec++, until.tv_nsec -= 1000000000;
			if (clock_nanosleep(ids[i], TIMER_ABSTIME, &until, 0))
				return 1;
			clock_gettime(ids[i], &a);
			if (a.tv_sec < until.tv_sec || (a.tv_sec == until.tv_sec && a.tv_nsec < until.tv_nsec))
				return 2;
		}
		syscall(SYS_clock_gettime, ids[i], &b);
		printf("%d %lld %lld\n", ids[i], a.tv_sec * 1000000000LL + a.tv_nsec, b.tv_sec * 1000000000LL + b.tv_nsec);
	}
	return 0;
}
