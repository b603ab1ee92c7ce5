#include "t.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int op(int id, int num, int delta, int flags) {
	struct sembuf b = {num, delta, flags};
	return semop(id, &b, 1);
}

static void values(int id, int n) {
	unsigned short v[64];
	printf("values");
	if (semctl(id, 0, GETALL, v))
		printf(" %s", strerrorname_np(errno));
	else
		for (int i = 0; i < n; i++)
			printf(" %d", v[i]);
	printf(" mine %d\n", semctl(id, 0, GETPID) == getpid());
}

// until waits until so many sleep for semaphore num.
static void until(int id, int num, int cmd, int n) {
	for (int i = 0; i < 2000 && semctl(id, num, cmd) != n; i++)
		usleep(5000);
	printf("sleeping %d\n", semctl(id, num, cmd));
}

static void nothing(int s) {}

static void *locker(void *a) {
	int id = *(int *)a;
	op(id, 1, 3, SEM_UNDO);
	return 0;
}

static int bare(void *a) {
	int id = *(int *)a;
	op(id, 1, 3, SEM_UNDO);
	return 0;
}

int main() {
	setvbuf(stdout, 0, _IONBF, 0);
	char line[300];
	int key = 0x58000000 + getpid();
	R(semget(key, 3, 0600));
	R(semget(key, 0, IPC_CREAT | 0600));
	R(semget(key, -1, IPC_CREAT | 0600));
	R(semget(key, 32001, IPC_CREAT | 0600));
	int id = semget(key, 3, IPC_CREAT | 0600);
	OK(id);
	R(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	R(semget(key, 0, 0) == id);
	R(semget(key, 3, 0600) == id);
	R(semget(key, 4, 0600));
	values(id, 3);

	struct semid_ds d;
	R(semctl(id, 0, IPC_STAT, &d));
	printf("n %lu mode %o times %d %d key %d\n", d.sem_nsems, d.sem_perm.mode, d.sem_otime != 0, d.sem_ctime != 0, d.sem_perm.__key == key);
	R(semctl(id, 0, SETVAL, 5));
	R(semctl(id, 3, SETVAL, 5));
	R(semctl(id, -1, GETVAL));
	R(semctl(id, 0, SETVAL, 32768));
	R(semctl(id, 0, SETVAL, -1));
	R(semctl(id, 0, GETVAL));
	unsigned short all[3] = {1, 2, 3}, bad[3] = {1, 40000, 3};
	R(semctl(id, 0, SETALL, all));
	R(semctl(id, 0, SETALL, bad));
	R(semctl(id, 0, SETALL, (void *)1));
	R(semctl(id, 0, GETALL, (void *)1));
	values(id, 3);
	R(semctl(id, 0, 77));
	R(semctl(-1, 0, GETVAL));
	R(semctl(0x7fff0000, 0, GETVAL));

	// One operation, several, none of them.
	R(op(id, 0, 4, 0));
	R(op(id, 0, -6, IPC_NOWAIT));
	R(op(id, 0, 0, IPC_NOWAIT));
	R(op(id, 3, 1, 0));
	R(op(id, 0, 32767, 0));
	R(semop(id, 0, 0));
	R(semop(id, (void *)1, 1));
	R(semop(-1, 0, 1));
	struct sembuf many[501] = {{0}};
	R(semop(id, many, 501));
	struct sembuf pair[2] = {{0, -1, 0}, {1, -3, IPC_NOWAIT}};
	R(semop(id, pair, 2));
	values(id, 3);
	struct sembuf same[3] = {{2, -3, 0}, {2, 0, 0}, {2, 1, 0}};
	R(semop(id, same, 3));
	values(id, 3);

	// Time.
	struct timespec ts = {0, 20000000}, wrong = {0, 1000000000}, before = {-1, 0};
	struct sembuf down = {1, -100, 0};
	R(semtimedop(id, &down, 1, &ts));
	R(semtimedop(id, &down, 1, &wrong));
	R(semtimedop(id, &down, 1, &before));
	R(semtimedop(id, &down, 1, (void *)1));
	ts.tv_nsec = 0;
	R(semtimedop(id, &down, 1, &ts));

	// A signal ends it, also with SA_RESTART.
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, 0);
	struct itimerval it = {{0, 50000}, {0, 50000}}, off = {{0}};
	setitimer(ITIMER_REAL, &it, 0);
	R(op(id, 1, -100, 0));
	setitimer(ITIMER_REAL, &off, 0);

	// Sleepers: who waits for what, in which order.
	semctl(id, 0, SETALL, (unsigned short[]){0, 0, 1});
	int pids[4], st;
	for (int i = 0; i < 3; i++) {
		if ((pids[i] = fork()) == 0)
			_exit(op(id, 0, -(i == 0 ? 2 : 1), 0) ? errno : i);
		until(id, 0, GETNCNT, i + 1);
	}
	if ((pids[3] = fork()) == 0)
		_exit(op(id, 2, 0, 0) ? errno : 3);
	until(id, 2, GETZCNT, 1);
	R(op(id, 0, 1, 0)); // not enough for the first: the second gets it
	waitpid(pids[1], &st, 0);
	printf("second %d\n", WEXITSTATUS(st));
	until(id, 0, GETNCNT, 2);
	R(op(id, 0, 3, 0));
	waitpid(pids[0], &st, 0);
	printf("first %d\n", WEXITSTATUS(st));
	waitpid(pids[2], &st, 0);
	printf("third %d\n", WEXITSTATUS(st));
	R(semctl(id, 2, SETVAL, 0));
	waitpid(pids[3], &st, 0);
	printf("zero %d\n", WEXITSTATUS(st));
	values(id, 3);

	// What an end takes back.
	semctl(id, 0, SETALL, (unsigned short[]){10, 10, 10});
	CHILD("undo", op(id, 0, -4, SEM_UNDO); op(id, 1, 5, SEM_UNDO); op(id, 2, 1, 0); values(id, 3));
	values(id, 3);
	CHILD("forked", op(id, 0, -4, SEM_UNDO); if (fork() == 0) _exit(0); wait(0); values(id, 3));
	values(id, 3);
	CHILD("forgotten", op(id, 0, -4, SEM_UNDO); op(id, 1, -1, SEM_UNDO); semctl(id, 0, SETVAL, 20));
	values(id, 3);
	CHILD("clamped", op(id, 0, 10, SEM_UNDO); op(id, 0, -30, 0); values(id, 3));
	values(id, 3);
	CHILD("out of range", op(id, 0, 32000, SEM_UNDO); op(id, 0, -32000, 0); R(op(id, 0, 32000, SEM_UNDO)); R(op(id, 0, 769, SEM_UNDO)));
	values(id, 3);
	pthread_t th;
	CHILD("a thread", pthread_create(&th, 0, locker, &id); pthread_join(th, 0); values(id, 3));
	values(id, 3);
	static char stack[1 << 16];
	CHILD("its own list", int p = clone(bare, stack + sizeof stack, CLONE_VM | SIGCHLD, &id); waitpid(p, 0, 0); values(id, 3));
	CHILD("unshared", op(id, 1, 2, SEM_UNDO); values(id, 3); R(unshare(CLONE_SYSVSEM)); values(id, 3));
	CHILD("exec", op(id, 1, 2, SEM_UNDO); execl("/bin/sh", "sh", "-c", ":", (char *)0));
	values(id, 3);
	int taken[2];
	pipe(taken);
	semctl(id, 0, SETVAL, 3);
	if (fork() == 0) { // the end wakes who waits for it
		op(id, 0, 1, SEM_UNDO);
		op(id, 0, -semctl(id, 0, GETVAL), SEM_UNDO);
		write(taken[1], "", 1);
		until(id, 0, GETNCNT, 1);
		_exit(0);
	}
	read(taken[0], line, 1);
	R(op(id, 0, -1, 0));
	wait(0);

	// Who may.
	R(semctl(id, 0, IPC_STAT, &d));
	d.sem_perm.mode = 0604;
	R(semctl(id, 0, IPC_SET, &d));
	CHILD("a stranger", setgid(1000); setuid(1000); R(semctl(id, 0, GETVAL) >= 0); R(op(id, 0, 1, 0)); R(semctl(id, 0, SETVAL, 1)); R(semget(key, 1, 0600)); R(semget(key, 1, 0400) == id);
	      R(semctl(id, 0, IPC_RMID)); R(semctl(id, 0, IPC_SET, &d)); R(semctl(id, 0, IPC_STAT, &d)));

	// Its end wakes who sleeps.
	if ((pids[0] = fork()) == 0)
		_exit(op(id, 1, -100, 0) ? errno : 0);
	until(id, 1, GETNCNT, 1);
	R(semctl(id, 0, IPC_RMID));
	waitpid(pids[0], &st, 0);
	printf("%s\n", strerrorname_np(WEXITSTATUS(st)));
	R(semctl(id, 0, IPC_RMID));
	R(op(id, 0, 1, 0));
	R(semget(key, 1, 0600));

	// The list.
	R(unshare(CLONE_NEWIPC));
	values(id, 3);
	id = semget(0x1234, 2, IPC_CREAT | 0640);
	int second = semget(IPC_PRIVATE, 7, 0600);
	printf("ids %d %d\n", id, second);
	FILE *f = fopen("/proc/sysvipc/sem", "r");
	while (f && fgets(line, sizeof line, f))
		printf("%.80s\n", line);
	if (f)
		fclose(f);
	struct seminfo si;
	R(semctl(0, 0, SEM_INFO, (union semun){.info = &si}));
	printf("%d %d %d %d %d %d %d\n", si.semmni, si.semmns, si.semmsl, si.semopm, si.semvmx, si.semusz, si.semaem);
	R(semctl(0, 0, IPC_INFO, (union semun){.info = &si}));
	printf("%d %d %d %d %d %d %d %d %d %d\n", si.semmap, si.semmni, si.semmns, si.semmnu, si.semmsl, si.semopm, si.semume, si.semusz, si.semvmx, si.semaem);
	R(semctl(1, 0, SEM_STAT, (union semun){.buf = &d}) == second);
	R(semctl(5, 0, SEM_STAT, (union semun){.buf = &d}));
	CHILD("limits", f = fopen("/proc/sys/kernel/sem", "w"); fputs("5 10 3 2\n", f); R(fclose(f)); R(semget(IPC_PRIVATE, 6, 0600)); R(semget(IPC_PRIVATE, 1, 0600)); R(semop(id, many, 4)));
	f = fopen("/proc/sys/kernel/sem", "r");
	printf("%s", fgets(line, sizeof line, f));
}
