#include "t.h"

#include <linux/futex.h>

int main(int argc, char **argv) {
	int *w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec t = {0, 10000000}, bad = {0, 2000000000};
	R(syscall(SYS_futex, w, FUTEX_WAIT, 1, 0));
	R(syscall(SYS_futex, w, FUTEX_WAIT, 0, &t));
	R(syscall(SYS_futex, w, FUTEX_WAIT, 0, &bad));
	R(syscall(SYS_futex, (char *)w + 1, FUTEX_WAIT, 0, &t));
	R(syscall(SYS_futex, 8, FUTEX_WAIT, 0, &t));
	R(syscall(SYS_futex, w, FUTEX_WAKE, 1));
	R(syscall(SYS_futex, w, 99, 1));
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			syscall(SYS_futex, w, FUTEX_WAIT, 0, 0);
			_exit(0);
		}
	msleep(300);
	R(syscall(SYS_futex, w, FUTEX_CMP_REQUEUE, 1, 1L, w + 1, 0));
	R(syscall(SYS_futex, w + 1, FUTEX_WAKE, 10));
	R(syscall(SYS_futex, w, FUTEX_WAKE, 10));
	for (int i = 0; i < 3; i++)
		wait(0);
	w[2] = 5;
	R(syscall(SYS_futex, w, FUTEX_WAKE_OP, 1, 1L, w + 2, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
	printf("%d\n", w[2]);
	return 0;
}
