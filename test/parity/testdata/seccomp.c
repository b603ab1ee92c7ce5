// Filters of seccomp(2): what is accepted, what each action does, what is
// inherited.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
static int install(struct sock_filter *f, int n, int flags)
{
	struct sock_fprog p = { n, f };
	int r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
	return r < 0 ? -errno : r;
}

// deny returns what is to be said of one call; the others are allowed.
static int deny(int nr, unsigned answer, int flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	return install(f, N(f), flags);
}

static void child(const char *name, void (*f)(void))
{
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		f();
		fflush(stdout);
		_exit(0);
	}
	int st;
	waitpid(p, &st, 0);
	printf("%s: exited %d status %d signal %d\n", name, WIFEXITED(st), WIFEXITED(st) ? WEXITSTATUS(st) : 0, WIFSIGNALED(st) ? WTERMSIG(st) : 0);
}

static void fails(void)
{
	struct sock_filter ret = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), ld = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64);
	struct sock_filter two[] = { ld, ret };
	printf("empty %d, load past the end %d, no return %d, flags %d, bad pointer %d\n", install(&ret, 0, 0), install(two, 2, 0),
	       install(&ld, 1, 0), install(&ret, 1, 1 << 20), install((void *)8, 1, 0));
	printf("op %d, null %d\n", (int)syscall(SYS_seccomp, 77, 0, 0) * errno, (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0) * errno);
	printf("strict with flags %d\n", (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0) * errno);
	unsigned a = SECCOMP_RET_ERRNO, b = 0x12340000;
	printf("errno available %d, none such %d\n", (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &a),
	       (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &b) * errno);
}

static void status(const char *when)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10))
			printf("%s: %s", when, line);
	fclose(f);
}

static void errnos(void)
{
	status("before");
	printf("deny %d\n", deny(SYS_getppid, SECCOMP_RET_ERRNO | 77, 0));
	long r = syscall(SYS_getppid);
	printf("getppid %ld %d\n", r, errno);
	printf("deny again %d\n", deny(SYS_getppid, SECCOMP_RET_ERRNO | 0, 0));
	r = syscall(SYS_getppid);
	printf("getppid %ld\n", r);
	printf("deny more %d\n", deny(SYS_getppid, SECCOMP_RET_ERRNO | 5000, 0));
	r = syscall(SYS_getppid);
	printf("getppid %ld %d\n", r, errno);
	printf("trace %d\n", deny(SYS_gettid, SECCOMP_RET_TRACE, 0));
	r = syscall(SYS_gettid);
	printf("gettid %ld %d\n", r, errno);
	printf("log %d\n", deny(SYS_getuid, SECCOMP_RET_LOG, SECCOMP_FILTER_FLAG_LOG));
	printf("getuid %d\n", getuid() >= 0);
	printf("mode %d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	status("after");
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		r = syscall(SYS_getppid);
		printf("child: getppid %ld %d\n", r, errno);
		fflush(stdout);
		execl("/bin/sh", "sh", "-c", "grep -e Seccomp /proc/self/status", NULL);
		_exit(1);
	}
	waitpid(p, 0, 0);
	printf("strict over filters %d\n", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) * errno);
}

static void arguments(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 12345, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 99),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	printf("install %d\n", install(f, N(f), 0));
	long r = syscall(SYS_dup, 12345L);
	printf("dup low %ld %d\n", r, errno);
	r = syscall(SYS_dup, 12345L | 7L << 32);
	printf("dup both %ld %d\n", r, errno);
}

static void on_sys(int sig, siginfo_t *i, void *c)
{
	ucontext_t *u = c;
	long *rax = (long *)&u->uc_mcontext.gregs[REG_RAX];
	printf("SIGSYS code %d errno %d syscall %d arch %x rax %ld addr %d\n", i->si_code, i->si_errno, i->si_syscall, i->si_arch, *rax,
	       (long)i->si_call_addr == u->uc_mcontext.gregs[REG_RIP]);
	*rax = 4321;
}

static void traps(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	sigaction(SIGSYS, &sa, 0);
	printf("trap %d\n", deny(SYS_getppid, SECCOMP_RET_TRAP | 42, 0));
	printf("getppid %ld\n", syscall(SYS_getppid));
}

static void untrapped(void)
{
	deny(SYS_getppid, SECCOMP_RET_TRAP, 0);
	syscall(SYS_getppid);
}

static void killed(void)
{
	signal(SIGSYS, SIG_IGN);
	deny(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
	syscall(SYS_getppid);
}

static void unknown_action(void)
{
	deny(SYS_getppid, 0x12340000, 0);
	syscall(SYS_getppid);
}

static void *dies(void *p)
{
	deny(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
	syscall(SYS_getppid);
	return 0;
}

static void thread_dies(void)
{
	pthread_t t;
	pthread_create(&t, 0, dies, 0);
	usleep(200000);
	printf("the other thread: %d\n", getppid() > 0);
}

static int go[2], back[2];
static void *waits(void *p)
{
	char c;
	read(go[0], &c, 1);
	long r = syscall(SYS_getppid);
	printf("synchronised thread: %ld %d, nnp %d\n", r, errno, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return 0;
}

static void synchronised(void)
{
	pthread_t t;
	pipe(go);
	pthread_create(&t, 0, waits, 0);
	printf("tsync %d\n", deny(SYS_getppid, SECCOMP_RET_ERRNO | 33, SECCOMP_FILTER_FLAG_TSYNC));
	write(go[1], "x", 1);
	pthread_join(t, 0);
}

static void *own_filter(void *p)
{
	char c;
	deny(SYS_gettid, SECCOMP_RET_ERRNO | 1, 0);
	write(back[1], "x", 1);
	read(go[0], &c, 1);
	return 0;
}

static void not_synchronised(void)
{
	pthread_t t;
	char c;
	pipe(go);
	pipe(back);
	pthread_create(&t, 0, own_filter, 0);
	read(back[0], &c, 1);
	printf("tsync names a thread %d\n", deny(SYS_getppid, SECCOMP_RET_ERRNO | 33, SECCOMP_FILTER_FLAG_TSYNC) > 1);
	printf("tsync esrch %d\n", deny(SYS_getppid, SECCOMP_RET_ERRNO | 33, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
	printf("getppid %d\n", getppid() > 0);
	write(go[1], "x", 1);
	pthread_join(t, 0);
}

static void strict_reads(void)
{
	printf("strict\n");
	fflush(stdout);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	write(1, "still\n", 6);
	syscall(SYS_exit, 3);
}

static void strict_dies(void)
{
	syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0);
	getppid();
}

static void too_many(void)
{
	struct sock_filter f[4096];
	for (int i = 0; i < 4096; i++)
		f[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	int n = 0, r;
	while ((r = install(f, 4096, 0)) == 0)
		n++;
	printf("%d of the longest, then %d\n", n, r);
}

static void unprivileged(void)
{
	setresgid(12345, 12345, 12345);
	setresuid(12345, 12345, 12345);
	struct sock_filter ret = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	printf("nnp %d, with it %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), install(&ret, 1, 0));
}

int main(void)
{
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	fflush(stdout);
	if (fork() == 0) { // without no_new_privs
		setresgid(12345, 12345, 12345);
		setresuid(12345, 12345, 12345);
		struct sock_filter ret = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		printf("unprivileged %d, empty %d\n", install(&ret, 1, 0), install(&ret, 0, 0));
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	child("fails", fails);
	child("errnos", errnos);
	child("arguments", arguments);
	child("traps", traps);
	child("untrapped", untrapped);
	child("killed", killed);
	child("unknown action", unknown_action);
	child("thread dies", thread_dies);
	child("synchronised", synchronised);
	child("not synchronised", not_synchronised);
	child("strict reads", strict_reads);
	child("strict dies", strict_dies);
	child("too many", too_many);
	child("unprivileged", unprivileged);
	fflush(stdout);
	return 0;
}
