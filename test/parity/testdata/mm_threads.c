// Threads that map, unmap, protect and fault at the same time, and a fork in
// the middle of it.
// link: dynamic
#include "show.h"
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 200 };
static char *shared;
static int bad;

static void *work(void *arg) {
	long me = (long)arg;
	for (int i = 0; i < ROUNDS; i++) {
		size_t n = (1 + (i + me) % 7) * 4096;
		char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t k = 0; k < n; k += 4096)
			if (p[k] != 0)
				__atomic_fetch_add(&bad, 1, __ATOMIC_SEQ_CST);
			else
				p[k] = me;
		mprotect(p, n, PROT_READ);
		for (size_t k = 0; k < n; k += 4096)
			if (p[k] != me)
				__atomic_fetch_add(&bad, 1, __ATOMIC_SEQ_CST);
		munmap(p, n);
		__atomic_fetch_add((long *)(shared + 4096 * (i % 8)), 1, __ATOMIC_SEQ_CST);
		if (me == 0 && i % 50 == 0) {
			pid_t c = fork();
			if (c == 0) {
				char *q = malloc(20000);
				memset(q, 3, 20000);
				_exit(q[19999] == 3 ? 0 : 1);
			}
			int st;
			waitpid(c, &st, 0);
			if (st != 0)
				__atomic_fetch_add(&bad, 1, __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

int main(void) {
	shared = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t[THREADS];
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	long sum = 0;
	for (int i = 0; i < 8; i++)
		sum += *(long *)(shared + 4096 * i);
	printf("bad %d sum %ld\n", bad, sum);
	return 0;
}
