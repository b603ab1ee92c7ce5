#include "t.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int counter;

static void *work(void *a) {
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&m);
		counter++;
		pthread_mutex_unlock(&m);
	}
	return a;
}

static void *sleeper(void *a) {
	for (;;)
		pause();
}

int main(int argc, char **argv) {
	pthread_t t[8];
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], 0, work, (void *)i);
	long sum = 0;
	for (int i = 0; i < 8; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("%ld %d\n", sum, counter);
	pthread_create(&t[0], 0, sleeper, 0);
	msleep(20);
	R(pthread_cancel(t[0]));
	void *r;
	pthread_join(t[0], &r);
	printf("%d\n", r == PTHREAD_CANCELED);
	pthread_barrier_t b;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	pthread_mutex_lock(&m);
	R(pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT);
	pthread_mutex_unlock(&m);
	return 0;
}
