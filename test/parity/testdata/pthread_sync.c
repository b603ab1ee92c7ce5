// pthreads: mutexes, conditions, barriers, rwlocks, semaphores, once, keys.
// link: dynamic
#include "show.h"
#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 6, ROUNDS = 300 };
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, less = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t sem;
static int queue, made, used, onces, destroyed, serial;
static __thread int local = 5;

static void run_once(void) { onces++; }
static void destroy(void *p) { (void)p; __atomic_fetch_add(&destroyed, 1, __ATOMIC_SEQ_CST); }

static void *work(void *arg) {
	long me = (long)arg;
	pthread_once(&once, run_once);
	pthread_setspecific(key, arg);
	local += me;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mu);
		if (me % 2) {
			while (queue >= 3)
				pthread_cond_wait(&less, &mu);
			queue++, made++;
			pthread_cond_signal(&more);
		} else {
			while (queue == 0)
				pthread_cond_wait(&more, &mu);
			queue--, used++;
			pthread_cond_signal(&less);
		}
		pthread_mutex_unlock(&mu);
	}
	for (int i = 0; i < 5; i++)
		if (pthread_barrier_wait(&bar) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_fetch_add(&serial, 1, __ATOMIC_SEQ_CST);
	pthread_rwlock_rdlock(&rw);
	pthread_rwlock_unlock(&rw);
	sem_post(&sem);
	return (void *)(me * 10 + (local == 5 + me));
}

int main(void) {
	pthread_t t[THREADS];
	pthread_barrier_init(&bar, NULL, THREADS);
	pthread_key_create(&key, destroy);
	sem_init(&sem, 0, 0);
	pthread_rwlock_wrlock(&rw);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)(i + 1));
	ms(5);
	pthread_rwlock_unlock(&rw);
	long sum = 0;
	for (int i = 0; i < THREADS; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("made %d used %d queue %d sum %ld onces %d destroyed %d serial %d\n", made, used, queue, sum, onces, destroyed, serial);
	int n = 0;
	while (sem_trywait(&sem) == 0)
		n++;
	printf("semaphore %d\n", n);
	struct timespec t1;
	clock_gettime(CLOCK_REALTIME, &t1);
	t1.tv_nsec += 20000000;
	t1.tv_sec += t1.tv_nsec / 1000000000, t1.tv_nsec %= 1000000000;
	pthread_mutex_lock(&mu);
	printf("timed wait: %s\n", strerrorname_np(pthread_cond_timedwait(&more, &mu, &t1)));
	printf("timed lock: %s\n", strerrorname_np(pthread_mutex_timedlock(&mu, &t1)));
	printf("try lock: %s\n", strerrorname_np(pthread_mutex_trylock(&mu)));
	SHOW(sem_timedwait(&sem, &t1));
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_t check;
	pthread_mutex_init(&check, &a);
	pthread_mutex_lock(&check);
	printf("error check: %s\n", strerrorname_np(pthread_mutex_lock(&check)));
	printf("self join: %s\n", strerrorname_np(pthread_join(pthread_self(), NULL)));
	return 0;
}
