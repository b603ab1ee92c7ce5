// How processes end: codes, signals, core flags.
#include "show.h"
#include <sys/resource.h>

int main(void) {
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	FORK("exit 0", _exit(0));
	FORK("exit 255", _exit(255));
	FORK("exit 256", _exit(256));
	FORK("exit -1", _exit(-1));
	int sigs[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS};
	for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++)
		FORK(sigabbrev_np(sigs[i]), raise(sigs[i]));
	FORK("SIGRTMIN", raise(SIGRTMIN));
	FORK("SIGRTMAX", raise(SIGRTMAX));
	FORK("SIGCHLD", raise(SIGCHLD));
	FORK("SIGURG", raise(SIGURG));
	FORK("SIGWINCH", raise(SIGWINCH));
	FORK("SIGCONT", raise(SIGCONT));
	FORK("abort", abort());
	FORK("null", *(volatile int *)0 = 1);
	FORK("illegal", __asm__ volatile("ud2"));
	FORK("breakpoint", __asm__ volatile("int3"));
	volatile int zero = 0;
	FORK("division", zero = 1 / zero);
	FORK("privileged", __asm__ volatile("hlt"));
	FORK("port", __asm__ volatile("outb %al, $0x80"));
	FORK("int 0x81", __asm__ volatile("int $0x81"));
	FORK("non-canonical", *(volatile int *)0x8000000000000000UL = 1);
	FORK("kernel address", *(volatile int *)0xffffffff80000000UL = 1);
	return 0;
}
