// pidfds: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), CLONE_PIDFD,
// waitid(2) with P_PIDFD, poll(2) and fdinfo of them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define THREAD O_EXCL

static int pidfd_open(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int pidfd_send(int fd, int sig, siginfo_t *i, unsigned flags) { return syscall(SYS_pidfd_send_signal, fd, sig, i, flags); }
static int pidfd_getfd(int fd, int target, unsigned flags) { return syscall(SYS_pidfd_getfd, fd, target, flags); }

static void say(const char *what, long r) { printf("%s: %s\n", what, r < 0 ? strerrorname_np(errno) : "ok"); }

static void polled(const char *what, int fd) {
	struct pollfd p = {fd, POLLIN, 0};
	int n = poll(&p, 1, 0);
	printf("%s: poll %d, events %x\n", what, n, p.revents);
}

static pid_t sleeper(void) {
	pid_t p = fork();
	if (p == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return p;
}

// Lines of fdinfo that are the pidfd's own; numbers as those of pid, or not.
static void fdinfo(const char *what, int fd, pid_t pid) {
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		int n, m;
		if (sscanf(line, "Pid: %d", &n) == 1)
			printf("%s: Pid %s\n", what, n == pid ? "its own" : n == -1 ? "-1" : "other");
		if (sscanf(line, "NSpid: %d %d", &n, &m) == 1)
			printf("%s: NSpid %s\n", what, n == pid ? "its own" : n == -1 ? "-1" : "other");
	}
	if (f)
		fclose(f);
}

static void open_errors(void) {
	say("open 0", pidfd_open(0, 0));
	say("open -1", pidfd_open(-1, 0));
	say("open none", pidfd_open(4000000, 0));
	say("open flags", pidfd_open(getpid(), 1));
	say("open thread none", pidfd_open(4000000, THREAD));
	say("send flags", pidfd_send(0, 0, NULL, 8));
	say("send two flags", pidfd_send(0, 0, NULL, 3));
	say("send no fd", pidfd_send(-1, 0, NULL, 0));
	say("send other file", pidfd_send(0, 0, NULL, 0));
	say("getfd flags", pidfd_getfd(0, 0, 1));
	say("getfd other file", pidfd_getfd(0, 0, 0));
	siginfo_t i;
	say("waitid other file", waitid(P_PIDFD, 0, &i, WEXITED));
	say("waitid no fd", waitid(P_PIDFD, 999, &i, WEXITED));
	say("waitid negative", waitid(P_PIDFD, -1, &i, WEXITED));
}

static void file(void) {
	int fd = pidfd_open(getpid(), 0), two = pidfd_open(getpid(), 0), nb = pidfd_open(getpid(), O_NONBLOCK);
	struct stat a, b;
	char buf[8], link[64] = "", path[64];
	printf("cloexec %d, flags %o %o\n", fcntl(fd, F_GETFD), fcntl(fd, F_GETFL), fcntl(nb, F_GETFL));
	fstat(fd, &a);
	fstat(two, &b);
	printf("one inode %d\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	printf("mode %o\n", a.st_mode);
	struct statfs s;
	fstatfs(fd, &s);
	printf("file system %lx\n", (long)s.f_type);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (readlink(path, link, sizeof link - 1) > 0)
		printf("link %s\n", link);
	say("read", read(fd, buf, sizeof buf));
	say("write", write(fd, buf, sizeof buf));
	say("lseek", lseek(fd, 0, SEEK_SET));
	say("dup", dup(fd));
	polled("alive", fd);
	fdinfo("self", fd, getpid());
}

static volatile int got, gotcode, gotvalue;
static void handler(int sig, siginfo_t *i, void *c) { got = sig, gotcode = i->si_code, gotvalue = i->si_value.sival_int; }

static void signals(void) {
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, NULL);
	int fd = pidfd_open(getpid(), 0), th = pidfd_open(getpid(), THREAD);
	say("send", pidfd_send(fd, SIGUSR1, NULL, 0));
	printf("got %d code %d\n", got, gotcode);
	say("send thread flag", pidfd_send(fd, SIGUSR1, NULL, 1));
	printf("got %d code %d\n", got, gotcode);
	say("send by thread", pidfd_send(th, SIGUSR1, NULL, 0));
	printf("got %d code %d\n", got, gotcode);
	say("send process flag", pidfd_send(th, SIGUSR1, NULL, 2));
	printf("got %d code %d\n", got, gotcode);
	siginfo_t i = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	i.si_value.sival_int = 42;
	say("send info", pidfd_send(fd, SIGUSR1, &i, 0));
	printf("got %d code %d value %d\n", got, gotcode, gotvalue);
	say("send other info", pidfd_send(fd, SIGUSR2, &i, 0));
	say("send bad info", pidfd_send(fd, SIGUSR1, (siginfo_t *)1, 0));
	say("send 0", pidfd_send(fd, 0, NULL, 0));
	say("send 65", pidfd_send(fd, 65, NULL, 0));
	int dir = open("/proc/self", O_DIRECTORY | O_RDONLY);
	say("send by proc", pidfd_send(dir, 0, NULL, 0));
	pid_t p = sleeper();
	int pf = pidfd_open(p, 0);
	i.si_code = SI_USER;
	say("kernel's code to another", pidfd_send(pf, SIGUSR1, &i, 0));
	kill(p, SIGSTOP);
	siginfo_t w = {0};
	say("stopped", waitid(P_PIDFD, pf, &w, WSTOPPED));
	printf("code %d status %d its %d\n", w.si_code, w.si_status, w.si_pid == p);
	polled("stopped", pf);
	say("kill", pidfd_send(pf, SIGKILL, NULL, 0));
	say("wait", waitid(P_PIDFD, pf, &w, WEXITED | WNOWAIT));
	printf("code %d status %d its %d\n", w.si_code, w.si_status, w.si_pid == p);
	polled("zombie", pf);
	say("send to a zombie", pidfd_send(pf, SIGTERM, NULL, 0));
	fdinfo("zombie", pf, p);
	say("getfd of a zombie", pidfd_getfd(pf, 0, 0));
	say("reap", waitid(P_PIDFD, pf, &w, WEXITED));
	polled("reaped", pf);
	fdinfo("reaped", pf, p);
	say("send to the reaped", pidfd_send(pf, SIGTERM, NULL, 0));
	say("getfd of the reaped", pidfd_getfd(pf, 0, 0));
	say("wait again", waitid(P_PIDFD, pf, &w, WEXITED));
}

static void group(void) {
	pid_t p = fork();
	if (p == 0) {
		setpgid(0, 0);
		if (fork() == 0) {
			for (;;)
				pause();
		}
		for (;;)
			pause();
	}
	setpgid(p, p);
	int fd = pidfd_open(p, 0);
	say("group 0", pidfd_send(fd, 0, NULL, 4));
	say("group kill", pidfd_send(fd, SIGKILL, NULL, 4));
	int st;
	waitpid(p, &st, 0);
	printf("leader %x\n", st);
	p = sleeper();
	fd = pidfd_open(p, 0);
	say("group of no leader", pidfd_send(fd, 0, NULL, 4));
	kill(p, SIGKILL);
	waitpid(p, &st, 0);
}

static void nonblocking(void) {
	pid_t p = sleeper();
	int fd = pidfd_open(p, O_NONBLOCK);
	siginfo_t w = {0};
	say("nonblocking wait", waitid(P_PIDFD, fd, &w, WEXITED));
	say("WNOHANG", waitid(P_PIDFD, fd, &w, WEXITED | WNOHANG));
	kill(p, SIGKILL);
	struct pollfd pf = {fd, POLLIN, 0};
	printf("poll %d", poll(&pf, 1, -1));
	printf(" %x\n", pf.revents);
	say("nonblocking reap", waitid(P_PIDFD, fd, &w, WEXITED));
	int self = pidfd_open(getpid(), 0);
	say("no child", waitid(P_PIDFD, self, &w, WEXITED));
}

static int child(void *arg) { return 7; }

static void clones(void) {
	static char stack[65536];
	int fd = -1;
	pid_t p = clone(child, stack + sizeof stack, CLONE_PIDFD | SIGCHLD, NULL, &fd);
	printf("clone %d fd %d cloexec %d\n", p > 0, fd > 2, fcntl(fd, F_GETFD));
	siginfo_t w = {0};
	say("wait", waitid(P_PIDFD, fd, &w, WEXITED));
	printf("code %d status %d its %d\n", w.si_code, w.si_status, w.si_pid == p);
	p = clone(child, stack + sizeof stack, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, &fd);
	say("with CLONE_PARENT_SETTID", p);
	p = clone(child, stack + sizeof stack, CLONE_PIDFD | SIGCHLD, NULL, (int *)8);
	say("bad address", p);
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} a = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
	p = syscall(SYS_clone3, &a, sizeof a);
	if (p == 0)
		_exit(fcntl(fd, F_GETFD) < 0 ? 3 : 4);
	say("wait clone3", waitid(P_PIDFD, fd, &w, WEXITED));
	printf("code %d status %d\n", w.si_code, w.si_status);
}

static void getfd(void) {
	int sv[2], pp[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	pipe(pp);
	pid_t p = fork();
	if (p == 0) {
		dup2(pp[1], 200);
		dup2(open("/", O_PATH), 201);
		write(sv[1], "x", 1);
		for (;;)
			pause();
	}
	char c;
	read(sv[0], &c, 1);
	int fd = pidfd_open(p, 0);
	int got = pidfd_getfd(fd, 200, 0);
	say("getfd", got);
	printf("cloexec %d\n", fcntl(got, F_GETFD));
	write(got, "hello", 5);
	char buf[6] = "";
	read(pp[0], buf, 5);
	printf("through it: %s\n", buf);
	say("getfd of none", pidfd_getfd(fd, 300, 0));
	say("getfd of O_PATH", pidfd_getfd(fd, 201, 0));
	say("getfd negative", pidfd_getfd(fd, -1, 0));
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
}

static int tid_pipe[2];
static volatile int quit;
static void *thread(void *arg) {
	pid_t tid = gettid();
	write(tid_pipe[1], &tid, sizeof tid);
	while (!quit)
		usleep(1000);
	return NULL;
}

static void threads(void) {
	pthread_t th;
	pid_t tid;
	pipe(tid_pipe);
	pthread_create(&th, NULL, thread, NULL);
	read(tid_pipe[0], &tid, sizeof tid);
	say("process of a thread", pidfd_open(tid, 0));
	int fd = pidfd_open(tid, THREAD);
	say("thread", fd);
	printf("flags %o\n", fcntl(fd, F_GETFL));
	fdinfo("thread", fd, tid);
	polled("thread", fd);
	quit = 1;
	pthread_join(th, NULL);
	struct pollfd pf = {fd, POLLIN, 0};
	printf("poll %d", poll(&pf, 1, -1));
	printf(" %x\n", pf.revents);
	say("send to the thread", pidfd_send(fd, 0, NULL, 0));
}

int main(void) {
	setvbuf(stdout, NULL, _IONBF, 0);
	open_errors();
	file();
	signals();
	group();
	nonblocking();
	clones();
	getfd();
	threads();
	return 0;
}
