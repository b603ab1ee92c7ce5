// clone3: its structure, sizes and errors.
#include "show.h"
#include <linux/sched.h>

static long clone3(struct clone_args *a, size_t size) { return syscall(SYS_clone3, a, size); }

int main(void) {
	struct clone_args a = {.exit_signal = SIGCHLD};
	int status;
	pid_t p = clone3(&a, sizeof a);
	if (p == 0)
		_exit(11);
	waitpid(p, &status, 0);
	show_status("as fork", status);
	p = clone3(&a, CLONE_ARGS_SIZE_VER0);
	if (p == 0)
		_exit(12);
	waitpid(p, &status, 0);
	show_status("version 0", status);
	pid_t parent_tid = 0;
	a = (struct clone_args){.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, .exit_signal = SIGCHLD, .parent_tid = (uintptr_t)&parent_tid, .child_tid = (uintptr_t)&parent_tid};
	p = clone3(&a, sizeof a);
	if (p == 0)
		_exit(parent_tid == getpid() ? 13 : 14);
	waitpid(p, &status, 0);
	show_status("child's tid", status);
	printf("parent's tid: %d\n", parent_tid == p);
	SHOW(clone3(&a, 8));
	SHOW(clone3(&a, 1 << 20));
	SHOW(clone3(NULL, sizeof a));
	char big[256] = {0};
	memcpy(big, &(struct clone_args){.exit_signal = SIGCHLD}, sizeof a);
	big[200] = 1;
	SHOW(clone3((void *)big, sizeof big));
	a = (struct clone_args){.exit_signal = 100};
	SHOW(clone3(&a, sizeof a));
	a = (struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD};
	SHOW(clone3(&a, sizeof a));
	a = (struct clone_args){.flags = CLONE_SIGHAND};
	SHOW(clone3(&a, sizeof a));
	a = (struct clone_args){.stack_size = 4096};
	SHOW(clone3(&a, sizeof a));
	a = (struct clone_args){.stack = 4096};
	SHOW(clone3(&a, sizeof a));
	a = (struct clone_args){.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | CLONE_VM};
	SHOW(clone3(&a, sizeof a));
	a = (struct clone_args){.flags = CLONE_DETACHED};
	SHOW(clone3(&a, sizeof a));
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, exit);
	a = (struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	p = clone3(&a, sizeof a);
	if (p == 0) {
		struct sigaction one, two;
		sigaction(SIGUSR1, NULL, &one);
		sigaction(SIGUSR2, NULL, &two);
		printf("ignored stays %d, handler gone %d\n", one.sa_handler == SIG_IGN, two.sa_handler == SIG_DFL);
		_exit(0);
	}
	waitpid(p, &status, 0);
	show_status("cleared", status);
	return 0;
}
