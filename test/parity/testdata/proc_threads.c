// Threads made by clone itself: tid addresses, joining by futex, tgkill.
#include "show.h"
#include <linux/futex.h>
#include <sched.h>

static char stacks[4][65536] __attribute__((aligned(16)));
static volatile int tids[4];
static int counter, same_pid, own_tid;

static int thread(void *arg) {
	(void)arg;
	for (int i = 0; i < 10000; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
	if (syscall(SYS_getpid) == *(pid_t *)arg)
		__atomic_fetch_add(&same_pid, 1, __ATOMIC_RELAXED);
	if (syscall(SYS_gettid) != syscall(SYS_getpid))
		__atomic_fetch_add(&own_tid, 1, __ATOMIC_RELAXED);
	return 0;
}

static void join(volatile int *tid) {
	int v;
	while ((v = *tid) != 0)
		syscall(SYS_futex, tid, FUTEX_WAIT, v, NULL, NULL, 0);
}

int main(void) {
	pid_t me = getpid(), last = 0;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
	            CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	for (int i = 0; i < 4; i++) {
		int tid = clone(thread, stacks[i] + 65536, flags, &me, &tids[i], NULL, &tids[i]);
		last = tid;
		printf("thread %d: tid written %d\n", i, tid > 0 && (tids[i] == tid || tids[i] == 0));
	}
	for (int i = 0; i < 4; i++)
		join(&tids[i]);
	printf("counter %d, one pid %d, own tids %d\n", counter, same_pid, own_tid);
	SHOW(waitpid(-1, NULL, WNOHANG | __WALL));
	for (int i = 0; i < 2000 && syscall(SYS_tgkill, me, last, 0) == 0; i++)
		ms(1); // its tid is cleared before it is gone
	SHOW(syscall(SYS_tgkill, me, last, 0));
	SHOW(syscall(SYS_tgkill, me, me, 0));
	SHOW(syscall(SYS_tgkill, -1, me, 0));
	SHOW(syscall(SYS_tgkill, me, me, 65));
	SHOW(syscall(SYS_tgkill, me + 100000, me, 0));
	SHOW(syscall(SYS_set_tid_address, NULL) == me);
	SHOW(clone(thread, stacks[0] + 65536, CLONE_VM | CLONE_THREAD, &me));
	FORK("exit of the first thread", {
		int later(void *a) { (void)a; ms(50); return 4; }
		clone(later, stacks[0] + 65536, flags, NULL, &tids[0], NULL, &tids[0]);
		syscall(SYS_exit, 3); // the code is that of the last one
	});
	FORK("exit_group of another", {
		int ender(void *a) { (void)a; syscall(SYS_exit_group, 8); return 0; }
		clone(ender, stacks[0] + 65536, flags, NULL, &tids[0], NULL, &tids[0]);
		for (;;)
			pause();
	});
	FORK("exec of another", {
		int execer(void *a) { (void)a; execl("/bin/sh", "sh", "-c", "exit 12", NULL); return 0; }
		clone(execer, stacks[0] + 65536, flags, NULL, &tids[0], NULL, &tids[0]);
		for (;;)
			pause();
	});
	return 0;
}
