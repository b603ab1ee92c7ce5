// futex: wait, wake, requeue, bitsets, WAKE_OP, timeouts.
#include "show.h"
#include <dirent.h>
#include <linux/futex.h>
#include <pthread.h>

static int word, other;
static int woken;

static long futex(void *a, int op, int v, void *t, void *b, int v3) { return syscall(SYS_futex, a, op, v, t, b, v3); }

static void *waiter(void *arg) {
	long bits = (long)arg;
	if (futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, bits) == 0)
		__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

// asleep waits until all n threads but this one sleep.
static void asleep(int n) {
	for (int tries = 0; tries < 1000; tries++) {
		int sleeping = 0;
		DIR *d = opendir("/proc/self/task");
		for (struct dirent *e; (e = readdir(d));) {
			char name[300], b[64] = {0};
			snprintf(name, sizeof name, "/proc/self/task/%s/stat", e->d_name);
			int fd = open(name, O_RDONLY);
			if (fd < 0)
				continue;
			read(fd, b, sizeof b - 1);
			close(fd);
			sleeping += strstr(b, ") S ") != NULL;
		}
		closedir(d);
		if (sleeping >= n - 1)
			break;
		ms(2);
	}
	ms(20);
}

static void start(pthread_t *t, int n, const int *bits) {
	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, waiter, (void *)(long)bits[i]);
	asleep(n + 1);
}

int main(void) {
	struct timespec now = {0, 0}, soon = {0, 20000000}, wrong = {0, 1000000000};
	SHOW(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT, 0, &now, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT, 0, &soon, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT, 0, &wrong, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT_BITSET, 0, &now, NULL, 1));
	SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &now, NULL, 1));
	SHOW(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(futex((char *)&word + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(futex((char *)&word + 1, FUTEX_WAIT, 1, NULL, NULL, 0));
	SHOW(futex(&word, 99, 1, NULL, NULL, 0));
	pthread_t t[4];
	start(t, 4, (int[]){1, 2, 2, 4});
	SHOW(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 2));
	SHOW(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("woken %d\n", woken);
	start(t, 4, (int[]){-1, -1, -1, -1});
	SHOW(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)2L, &other, 5));
	SHOW(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)2L, &other, 0));
	SHOW(futex(&other, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	start(t, 2, (int[]){-1, -1});
	other = 5;
	SHOW(futex(&word, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
	printf("other %d\n", other);
	SHOW(futex(&other, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)1L, &word, FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0)));
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t p = fork();
	if (p == 0)
		_exit(futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 7 : 8);
	ms(300);
	SHOW(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0));
	int st;
	waitpid(p, &st, 0);
	show_status("between processes", st);
	return 0;
}
