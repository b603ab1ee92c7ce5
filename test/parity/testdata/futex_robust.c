// Robust mutexes: the owner dies, the next one is told.
#include "show.h"
#include <linux/futex.h>
#include <pthread.h>

static pthread_mutex_t *m;

static void *die_holding(void *arg) {
	(void)arg;
	pthread_mutex_lock(m);
	return NULL;
}

int main(void) {
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(m, &a);
	pthread_t t;
	pthread_create(&t, NULL, die_holding, NULL);
	pthread_join(t, NULL);
	int r = pthread_mutex_lock(m);
	printf("after a thread: %s\n", strerrorname_np(r));
	printf("consistent: %d\n", pthread_mutex_consistent(m));
	pthread_mutex_unlock(m);
	FORK("exits holding it", pthread_mutex_lock(m), _exit(0));
	r = pthread_mutex_lock(m);
	printf("after a process: %s\n", strerrorname_np(r));
	pthread_mutex_consistent(m);
	pthread_mutex_unlock(m);
	pid_t p = fork();
	if (p == 0) {
		pthread_mutex_lock(m);
		raise(SIGSTOP);
	}
	int st;
	waitpid(p, &st, WUNTRACED);
	pid_t q = fork();
	if (q == 0) {
		r = pthread_mutex_lock(m); // sleeps until p dies
		printf("sleeper: %s\n", strerrorname_np(r));
		_exit(0);
	}
	ms(30);
	kill(p, SIGKILL);
	waitpid(p, &st, 0);
	waitpid(q, &st, 0);
	show_status("sleeper", st);
	r = pthread_mutex_lock(m);
	printf("not made consistent: %s\n", strerrorname_np(r));
	pthread_mutex_unlock(m);
	r = pthread_mutex_lock(m);
	printf("and then: %s\n", strerrorname_np(r));
	void *head = NULL;
	size_t len = 0;
	SHOW(syscall(SYS_get_robust_list, 0, &head, &len));
	printf("length %zu, there %d\n", len, head != NULL);
	SHOW(syscall(SYS_set_robust_list, head, 5));
	SHOW(syscall(SYS_get_robust_list, 1 << 22, &head, &len));
	return 0;
}
