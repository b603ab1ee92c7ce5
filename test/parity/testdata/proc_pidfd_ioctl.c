// needs: root
#include "t.h"
#include <sched.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/prctl.h>
#include <signal.h>
#include <pthread.h>
// ioctls of pidfds, and setns(2) by one.
struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
	uint32_t core, spare;
	uint64_t beyond;
};
#define GET_INFO(size) _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, size)
static pid_t child;
static int openpid(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static const char *num(uint32_t n) {
	static char b[4][30];
	static int k;
	char *s = b[k++ % 4];
	if (n == (uint32_t)getpid()) return "own";
	if (n == (uint32_t)child) return "child";
	if (n == (uint32_t)getppid()) return "parent";
	sprintf(s, n < 2 ? "%u" : "other", n);
	return s;
}
static void info(int fd, uint64_t mask, int size) {
	struct info i;
	memset(&i, 0xee, sizeof i);
	i.mask = mask;
	int r = ioctl(fd, GET_INFO(size), &i);
	printf("info %llx of %d: %s", (long long)mask, size, r ? strerrorname_np(errno) : "ok");
	if (!r) {
		printf(" mask %llx", (long long)(i.mask & ~4)); // but for cgroups
		if (i.mask & 1) printf(" pid %s %s %s", num(i.pid), num(i.tgid), i.ppid == (uint32_t)getppid() ? "parent" : num(i.ppid));
		if (i.mask & 2) printf(" creds %u %u %u %u %u %u %u %u", i.ruid, i.rgid, i.euid, i.egid, i.suid, i.sgid, i.fsuid, i.fsgid);
		printf(" exit %x core %x %x %llx", i.exit_code, i.core, i.spare, (long long)i.beyond);
	}
	puts("");
}
static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};
static void spaces(int fd, const char *who) {
	for (int i = 0; i < 10; i++) {
		int n = ioctl(fd, _IO(0xff, i + 1), 0);
		if (n < 0) {
			printf("  %s: %s\n", names[i], strerrorname_np(errno));
			continue;
		}
		char path[64];
		struct stat a, b;
		sprintf(path, "/proc/%s/ns/%s", who, names[i]);
		fstat(n, &a);
		b.st_ino = 0;
		stat(path, &b);
		printf("  %s: same %d, cloexec %d, flags %x\n", names[i], a.st_ino == b.st_ino && a.st_dev == b.st_dev, fcntl(n, F_GETFD), fcntl(n, F_GETFL) & ~0100000);
		close(n);
	}
}
static void *idle(void *p) {
	pause();
	return 0;
}
static int tid;
static void *thread(void *p) {
	tid = gettid();
	char c;
	read(*(int *)p, &c, 1);
	return 0;
}
int main() {
	setvbuf(stdout, NULL, _IOLBF, 1 << 14);
	alarm(15);
	int self = openpid(getpid(), 0);
	printf("own\n");
	spaces(self, "self");
	for (int size = 56; size <= 88; size += 8)
		info(self, 0xff & ~4 & ~96, size);
	info(self, 0, 64), info(self, 1, 64), info(self, 8, 64), info(self, 16, 72);
	R(prctl(PR_SET_DUMPABLE, 0));
	info(self, 16, 72);
	R(prctl(PR_SET_DUMPABLE, 1));
	errno = 0;
	R(ioctl(self, GET_INFO(64), NULL));
	R(ioctl(self, GET_INFO(64), (void *)1));
	R(ioctl(self, _IO(0xff, 2), 1));
	R(ioctl(self, _IO(0xff, 11), 0));
	R(ioctl(self, _IO(0xff, 12), 0));
	R(ioctl(self, _IO(0xff, 0), 0));
	R(ioctl(self, _IO(0xfe, 2), 0));
	R(ioctl(self, _IOC(_IOC_READ, 0xff, 11, 64), 0));
	R(ioctl(self, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 2, 64), 0));
	uint32_t gen = 7;
	R(ioctl(self, 0x80087601, &gen));
	R(ioctl(self, 0x80087601, NULL));
	printf("generation %u\n", gen);
	// A child with namespaces of its own.
	int ready[2], go[2];
	pipe(ready), pipe(go);
	child = fork();
	if (!child) {
		close(go[1]);
		unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS);
		sethostname("the-child", 9);
		setresgid(5, 6, 7);
		setresuid(0, 8, 0), setresuid(-1, 0, -1);
		write(ready[1], "x", 1);
		char c;
		read(go[0], &c, 1);
		_exit(7);
	}
	char c, who[20], host[70], was[70];
	read(ready[0], &c, 1);
	sprintf(who, "%d", child);
	int fd = openpid(child, 0);
	printf("child\n");
	spaces(fd, who);
	info(fd, 0xb, 64);
	gethostname(was, sizeof was);
	R(setns(fd, 0));
	R(setns(fd, 1));
	R(setns(fd, CLONE_NEWUTS | CLONE_VM));
	R(setns(fd, CLONE_NEWUSER));
	R(setns(fd, CLONE_NEWUSER | CLONE_NEWUTS));
	gethostname(host, sizeof host);
	printf("changed %d\n", strcmp(host, was) != 0);
	R(setns(fd, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWTIME | CLONE_NEWPID | CLONE_NEWCGROUP));
	gethostname(host, sizeof host);
	printf("host %s\n", host);
	spaces(self, who);
	R(setns(self, CLONE_NEWUTS));
	R(setns(0, CLONE_NEWUTS));
	R(setns(-1, CLONE_NEWUTS));
	pid_t other = fork();
	if (!other) {
		R(setresuid(1000, 1000, 1000));
		R(ioctl(fd, _IO(0xff, 2), 0));
		R(setns(fd, CLONE_NEWUTS));
		R(setns(self, CLONE_NEWUTS));
		info(fd, 3, 64);
		_exit(0);
	}
	waitpid(other, NULL, 0);
	other = fork();
	if (!other) {
		R(setns(fd, CLONE_NEWNS | CLONE_NEWUTS));
		R(unshare(CLONE_NEWPID));
		if (!fork()) {
			info(fd, 1, 64);
			_exit(0);
		}
		wait(NULL);
		_exit(0);
	}
	waitpid(other, NULL, 0);
	close(go[1]);
	siginfo_t si;
	R(waitid(P_PID, child, &si, WEXITED | WNOWAIT));
	printf("a zombie\n");
	info(fd, 8, 64), info(fd, 0, 64), info(fd, 16, 72);
	R(ioctl(fd, _IO(0xff, 2), 0));
	R(setns(fd, CLONE_NEWUTS));
	R(waitpid(child, NULL, 0) == child);
	printf("gone\n");
	info(fd, 8, 64), info(fd, 0, 64), info(fd, 3, 64), info(fd, 11, 72);
	R(ioctl(fd, _IO(0xff, 2), 0));
	R(ioctl(fd, _IO(0xff, 2), 1));
	R(setns(fd, CLONE_NEWUTS));
	R(setns(fd, 0));
	close(fd);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	fd = openpid(child, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	info(fd, 8, 64);
	// A thread.
	int p[2];
	pthread_t th;
	pipe(p);
	pthread_create(&th, NULL, thread, &p[0]);
	while (!*(volatile int *)&tid)
		usleep(100);
	int t = openpid(tid, O_EXCL);
	struct info i = {.mask = 3};
	R(ioctl(t, GET_INFO(64), &i));
	printf("thread %d %d\n", i.pid == (uint32_t)tid, i.tgid == (uint32_t)getpid());
	spaces(t, "self");
	write(p[1], "x", 1);
	pthread_join(th, NULL);
	struct pollfd pf = {t, POLLIN | POLLHUP};
	poll(&pf, 1, 5000);
	struct info left = {.mask = 8}; // told as the thread ends, and known a moment later
	for (int n = 0; n < 5000 && ioctl(t, GET_INFO(64), &left) && errno == ESRCH; n++)
		usleep(1000);
	info(t, 8, 64), info(t, 0, 64);
}
