// prctl and arch_prctl.
#include "show.h"
#include <asm/prctl.h>
#include <sys/prctl.h>

int main(void) {
	char name[17] = {0};
	SHOW(prctl(PR_SET_NAME, "a name that is too long"));
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	cat_file("/proc/self/comm");
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 2));
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	FORK("inherited", SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
	int sig = -1;
	SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	SHOW(prctl(PR_GET_PDEATHSIG, &sig));
	printf("death signal %d\n", sig);
	FORK("not inherited", prctl(PR_GET_PDEATHSIG, &sig), printf("%d\n", sig));
	SHOW(prctl(PR_SET_PDEATHSIG, 100));
	SHOW(prctl(PR_SET_PDEATHSIG, 0));
	SHOW(prctl(PR_CAPBSET_READ, 0));
	SHOW(prctl(PR_CAPBSET_READ, 999));
	SHOW(prctl(PR_SET_TIMERSLACK, 77777));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_GET_SECCOMP));
	SHOW(prctl(PR_GET_TID_ADDRESS, 8));
	SHOW(prctl(123456));
	unsigned long base = 0;
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
	printf("fs is there: %d\n", base != 0);
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, &sig));
	int value;
	sig = 4242;
	__asm__ volatile("movl %%gs:0, %0" : "=r"(value));
	printf("through gs: %d\n", value);
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	printf("gs: %d\n", base == (unsigned long)&sig);
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_FS, 1UL << 63));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, 8));
	SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
	return 0;
}
