// Many signals between processes and threads, none lost that must not be.
#include "show.h"
#include <pthread.h>

static volatile int count;
static void handler(int s) { (void)s; __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST); }
static volatile int stop;

static void *churn(void *arg) {
	(void)arg;
	while (!stop) {
		void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(p, 1, 65536);
		munmap(p, 65536);
		getppid();
	}
	return NULL;
}

int main(void) {
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	// Real-time signals are counted exactly.
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, churn, NULL);
	pid_t me = getpid(), p = fork();
	if (p == 0) {
		for (int i = 0; i < 2000; i++)
			while (sigqueue(me, SIGRTMIN, (union sigval){0}) == -1)
				ms(1);
		_exit(0);
	}
	int st;
	waitpid(p, &st, 0);
	for (int i = 0; i < 1000 && count < 2000; i++)
		ms(1);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("received %d\n", count);
	// Ping-pong with acknowledgements.
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	count = 0;
	p = fork();
	if (p == 0) {
		for (int i = 0; i < 500; i++) {
			sigsuspend(&old);
			kill(getppid(), SIGUSR1);
		}
		_exit(count == 500 ? 0 : 1);
	}
	for (int i = 0; i < 500; i++) {
		kill(p, SIGUSR1);
		sigsuspend(&old);
	}
	waitpid(p, &st, 0);
	printf("ping-pong %d\n", count);
	show_status("other side", st);
	return 0;
}
