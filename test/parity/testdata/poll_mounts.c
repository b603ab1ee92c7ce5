// needs: root
#include "t.h"
#include <sys/epoll.h>
#include <sys/mount.h>
#include <poll.h>
#include <sched.h>
// Changes of the mounts that /proc/PID/mountinfo tells are news to poll(2).
static int fd[3];
static void news(const char *what) {
	printf("%s:", what);
	for (int i = 0; i < 3; i++) {
		struct pollfd p = {fd[i], POLLPRI};
		int n = poll(&p, 1, 0);
		printf(" %d %x", n, p.revents);
	}
	puts("");
}
static int e, et;
static void tell(void) {
	struct epoll_event got = {};
	for (int i = 0; i < 2; i++)
		printf("  level %d", epoll_wait(e, &got, 1, 0)), printf(" %x,", got.events);
	got.events = 0;
	printf(" edge %d", epoll_wait(et, &got, 1, 0)), printf(" %x\n", got.events);
}
// allowed says whether epoll(7) takes a file, and what it has to say of it.
static void allowed(const char *p) {
	int fd = open(p, O_RDONLY), e = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP}, got[2];
	int r = epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev);
	printf("%s: %s", p, fd < 0 ? "no" : r ? strerrorname_np(errno) : "ok");
	if (!r) {
		char b[100];
		int n = epoll_wait(e, got, 2, 0);
		printf(" %d %x", n, n > 0 ? got[0].events : 0);
		read(fd, b, sizeof b);
		n = epoll_wait(e, got, 2, 0);
		printf(" %d %x", n, n > 0 ? got[0].events : 0);
	}
	struct pollfd pf = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM};
	poll(&pf, 1, 0);
	printf(" poll %x\n", pf.revents);
	close(fd), close(e);
}

int main() {
	setvbuf(stdout, NULL, _IOLBF, 1 << 14);
	alarm(15);
	static const char *const files[] = {"/proc/self/mountinfo", "/proc/self/mounts", "/proc/mounts", "/proc/self/status", "/proc/self/maps", "/proc/self/cgroup", "/proc/self/oom_score_adj", "/proc/self/fdinfo/0", "/proc/self/net/tcp", "/proc/self/uid_map", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/net/dev", "/proc/swaps", "/proc/sysvipc/shm", "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/random/uuid", "/proc/sys/kernel", "/sys/class/net/lo/mtu", "/sys/devices/system/cpu/online", "/sys", "/proc", "/dev/null", "."};
	for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++)
		allowed(files[i]);
	R(unshare(CLONE_NEWNS));
	R(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	R(mkdir("a", 0755));
	R(mkdir("b", 0755));
	R(mount("t", "a", "tmpfs", 0, "size=64k"));
	fd[0] = open("/proc/self/mountinfo", O_RDONLY), fd[1] = open("/proc/self/mounts", O_RDONLY);
	e = epoll_create1(0), et = epoll_create1(0);
	fd[2] = open("/proc/thread-self/mountinfo", O_RDONLY);
	news("open");
	struct epoll_event ev = {EPOLLIN | EPOLLPRI}, got[3];
	int in = open("/proc/self/mountinfo", O_RDONLY), edge = open("/proc/self/mountinfo", O_RDONLY);
	ev.data.fd = 1;
	R(epoll_ctl(e, EPOLL_CTL_ADD, in, &ev));
	ev.events = EPOLLPRI | EPOLLET;
	R(epoll_ctl(et, EPOLL_CTL_ADD, edge, &ev));
	got[0].events = 0;
	printf("%d", epoll_wait(e, got, 3, 0)), printf(" %x\n", got[0].events);
#define S(x) { R(x); news("  news"); tell(); }
	S(mkdir("a/x", 0755))
	S(mount("u", "b", "tmpfs", 0, NULL))
	S(mount("a", "b", NULL, MS_BIND, NULL))
	S(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
	S(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
	S(mount(NULL, "a", NULL, MS_REMOUNT, "size=128k"))
	S(mount(NULL, "b", NULL, MS_SHARED, NULL))
	S(mount(NULL, "b", NULL, MS_PRIVATE, NULL))
	S(mount("b", "a/x", NULL, MS_MOVE, NULL))
	S(mount("nothing", "none", "tmpfs", 0, NULL))
	S(umount("a/x"))
	S(umount2("b", MNT_DETACH))
	S(umount("c"))
	// Another one's namespace.
	int p[2];
	char c;
	pipe(p);
	if (!fork()) {
		unshare(CLONE_NEWNS);
		mount("v", "b", "tmpfs", 0, NULL);
		write(p[1], "x", 1);
		_exit(0);
	}
	read(p[0], &c, 1);
	news("another namespace");
	// Somebody who waits is woken.
	if (!fork()) {
		usleep(50000);
		mount("v", "b", "tmpfs", 0, NULL);
		_exit(0);
	}
	struct pollfd pf = {fd[0], POLLPRI};
	printf("waited %d", poll(&pf, 1, 5000)), printf(" %x\n", pf.revents);
	printf("epoll %d\n", epoll_wait(et, got, 3, 5000));
	umount("b"), umount("a");
	rmdir("a"), rmdir("b");
}
