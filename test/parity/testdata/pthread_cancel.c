// pthread cancellation, cleanup, kill, signal masks of threads, names.
// link: dynamic
#include "show.h"
#include <pthread.h>

static int cleaned, handled_in;
static pthread_t main_thread;
static void cleanup(void *arg) { cleaned += (int)(long)arg; }

static void *sleeper(void *arg) {
	int fds[2];
	char c;
	pipe(fds);
	pthread_cleanup_push(cleanup, (void *)1);
	pthread_cleanup_push(cleanup, (void *)10);
	if (arg)
		read(fds[0], &c, 1);
	else
		for (;;)
			pause();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *spinner(void *arg) {
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	*(volatile int *)arg = 1;
	for (volatile long i = 0; i >= 0; i++)
		;
	return NULL;
}

static void on_usr1(int s) { (void)s; handled_in = pthread_equal(pthread_self(), main_thread) ? 1 : 2; }

static void *taker(void *arg) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while (!*(volatile int *)arg)
		ms(1);
	return NULL;
}

int main(void) {
	pthread_t t;
	void *r;
	for (long i = 0; i < 2; i++) {
		pthread_create(&t, NULL, sleeper, (void *)i);
		ms(20);
		pthread_cancel(t);
		pthread_join(t, &r);
		printf("cancelled %d cleaned %d\n", r == PTHREAD_CANCELED, cleaned);
	}
	volatile int up = 0;
	pthread_create(&t, NULL, spinner, (void *)&up);
	while (!up)
		ms(1);
	pthread_cancel(t);
	pthread_join(t, &r);
	printf("a spinning one too: %d\n", r == PTHREAD_CANCELED);

	main_thread = pthread_self();
	signal(SIGUSR1, on_usr1);
	sigset_t set, pend;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	volatile int done = 0;
	pthread_create(&t, NULL, taker, (void *)&done);
	ms(20);
	kill(getpid(), SIGUSR1);
	for (int i = 0; i < 1000 && !handled_in; i++)
		ms(1);
	printf("the thread that does not block it takes it: %d\n", handled_in);
	handled_in = 0;
	pthread_kill(pthread_self(), SIGUSR1);
	sigpending(&pend);
	printf("mine waits: %d %d\n", handled_in, sigismember(&pend, SIGUSR1));
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	printf("then comes: %d\n", handled_in);
	handled_in = 0;
	pthread_kill(t, SIGUSR1);
	for (int i = 0; i < 1000 && !handled_in; i++)
		ms(1);
	printf("to that thread: %d\n", handled_in);
	pthread_setname_np(t, "other-name");
	char name[16];
	pthread_getname_np(t, name, sizeof name);
	puts(name);
	done = 1;
	pthread_join(t, NULL);
	pthread_attr_t at;
	size_t size;
	pthread_getattr_np(pthread_self(), &at);
	pthread_attr_getstacksize(&at, &size);
	printf("main's stack size known: %d\n", size > 0);
	return 0;
}
