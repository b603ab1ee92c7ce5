#include "t.h"

int main(int argc, char **argv) {
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_init(m, &a);
	CHILD("dies with it", pthread_mutex_lock(m));
	R(pthread_mutex_lock(m) == EOWNERDEAD);
	R(pthread_mutex_consistent(m));
	R(pthread_mutex_unlock(m));
	R(pthread_mutex_lock(m));
	return 0;
}
