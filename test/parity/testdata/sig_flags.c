// sigaction's flags: NODEFER, RESETHAND, masks while a handler runs, EINTR of
// nested handlers, registers restored.
#include "show.h"
#include <ucontext.h>

static int level, raises;
static void nested(int s) {
	level++;
	printf("in %d, level %d\n", s == SIGUSR1 ? 1 : 2, level);
	if (raises++ == 0) {
		raise(SIGUSR1);
		raise(SIGUSR2);
	}
	printf("out, level %d\n", level--);
}

static void change_mask(int s, siginfo_t *i, void *c) {
	(void)s, (void)i;
	ucontext_t *u = c;
	printf("old mask in the frame: HUP %d\n", sigismember(&u->uc_sigmask, SIGHUP));
	sigaddset(&u->uc_sigmask, SIGTERM);
	u->uc_mcontext.gregs[REG_R12] = 777;
}

int main(void) {
	struct sigaction sa = {.sa_handler = nested}, old;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	puts("deferred");
	raise(SIGUSR1);
	raises = 0;
	puts("nodefer");
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	raises = 0;
	puts("masked");
	sa.sa_flags = 0;
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	raises = 0;
	puts("resethand");
	level = 5, raises = 1;
	sa.sa_flags = SA_RESETHAND;
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR2);
	sigaction(SIGUSR2, NULL, &old);
	printf("default again %d\n", old.sa_handler == SIG_DFL);
	sa = (struct sigaction){.sa_sigaction = change_mask, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	long r12, r = SYS_kill;
	__asm__ volatile("mov $5, %%r12; syscall; mov %%r12, %0" : "=r"(r12), "+a"(r) : "D"((long)getpid()), "S"((long)SIGUSR1) : "rcx", "r11", "r12", "memory");
	sigprocmask(SIG_BLOCK, NULL, &set);
	printf("sigreturn took mask %d and r12 %ld, rax %ld\n", sigismember(&set, SIGTERM), r12, r);
	sigaction(SIGUSR1, NULL, &old);
	printf("flags back %d\n", (old.sa_flags & SA_SIGINFO) != 0);
	FORK("default", { signal(SIGUSR1, SIG_DFL); raise(SIGUSR1); });
	signal(SIGCHLD, SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raises = 0;
	puts("ignored");
	return 0;
}
