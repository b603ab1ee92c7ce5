// Listeners of seccomp(2): calls that another process decides.
#include "t.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static pid_t parent;

static int listen_to(int nr, int flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}

static void send_fd(int sock, int fd)
{
	char c = 'x', buf[CMSG_SPACE(sizeof(int))] = {};
	struct iovec io = { &c, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	sendmsg(sock, &m, 0);
}

static int recv_fd(int sock)
{
	char c, buf[CMSG_SPACE(sizeof(int))];
	struct iovec io = { &c, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf };
	if (recvmsg(sock, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	int fd;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

// target starts a process that hands over its listener for getppid, or nr, and
// runs f then.
static pid_t target(int nr, int flags, void (*f)(int), int *listener)
{
	int s[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		close(s[0]);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		int l = listen_to(nr, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags);
		send_fd(s[1], l);
		close(l);
		f(s[1]);
		fflush(stdout);
		_exit(0);
	}
	close(s[1]);
	*listener = recv_fd(s[0]);
	return p;
}

static int ready(int fd, int events)
{
	struct pollfd p = { fd, events, 0 };
	poll(&p, 1, 0);
	return p.revents;
}

static void ended(const char *what, pid_t p)
{
	int st;
	waitpid(p, &st, 0);
	printf("%s: exited %d status %d signal %d\n", what, WIFEXITED(st), WIFEXITED(st) ? WEXITSTATUS(st) : 0, WIFSIGNALED(st) ? WTERMSIG(st) : 0);
}

static void calls(int sock)
{
	(void)sock;
	for (int i = 0; i < 4; i++) {
		errno = 0;
		long r = syscall(SYS_getppid, 11L, 22L, 33L, 44L, 55L, 66L);
		printf("target: %ld %s\n", r == parent ? 1 : r, errno ? strerrorname_np(errno) : "-");
	}
}

static void answers(void)
{
	int l;
	pid_t p = target(SYS_getppid, 0, calls, &l);
	char name[64] = {};
	snprintf(name, sizeof name, "/proc/self/fd/%d", l);
	char link[64] = {};
	readlink(name, link, sizeof link - 1);
	printf("%s cloexec %d flags %x\n", link, fcntl(l, F_GETFD), fcntl(l, F_GETFL) & ~O_LARGEFILE);
	char b[8];
	R(read(l, b, 8));
	R(write(l, b, 8));
	R(ioctl(l, 0x1234, 0));
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2));
	struct seccomp_notif n;
	memset(&n, 1, sizeof n);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, 8));
	struct seccomp_notif_resp r = {};
	for (int i = 0; i < 4; i++) {
		memset(&n, 0, sizeof n);
		struct pollfd pf = { l, POLLIN | POLLOUT, 0 };
		poll(&pf, 1, -1);
		printf("ready %x\n", pf.revents);
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
		printf("pid %d flags %u nr %d arch %x args %lld %lld %lld %lld %lld %lld ip %d\n", n.pid == (unsigned)p, n.flags, n.data.nr,
		       n.data.arch, n.data.args[0], n.data.args[1], n.data.args[2], n.data.args[3], n.data.args[4], n.data.args[5],
		       n.data.instruction_pointer != 0);
		printf("ready %x\n", ready(l, POLLIN | POLLOUT));
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
		R(ioctl(l, 0x80082102, &n.id));
		__u64 other = n.id + 100;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &other));
		r.id = other;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
		r.id = n.id, r.val = 0, r.error = 0, r.flags = 4;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
		r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE, r.val = 1;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
		r.flags = 0, r.val = 1234567890123;
		if (i == 1)
			r.error = -EXDEV;
		if (i == 2)
			r.val = 0, r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		if (i == 3)
			r.val = -77;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
	}
	ended("answers", p);
	printf("ready %x\n", ready(l, POLLIN | POLLOUT));
	memset(&n, 0, sizeof n);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	close(l);
}

static void opens(int sock)
{
	(void)sock;
	for (int i = 0; i < 3; i++) {
		long fd = syscall(SYS_getppid);
		char b[4] = {};
		printf("target: fd %ld cloexec %d read %zd %.3s\n", fd, fcntl(fd, F_GETFD), read(fd, b, 3), b);
	}
	char b[4] = {};
	printf("target: read of 50: %zd %.3s\n", read(50, b, 3), b);
}

static int with_text(const char *s)
{
	int p[2];
	pipe(p);
	write(p[1], s, strlen(s));
	close(p[1]);
	return p[0];
}

static void descriptors(void)
{
	int l;
	pid_t p = target(SYS_getppid, 0, opens, &l);
	for (int i = 0; i < 3; i++) {
		struct seccomp_notif n = {};
		struct seccomp_notif_resp r = {};
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
		struct seccomp_notif_addfd a = { .id = n.id, .srcfd = 999 };
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
		a.srcfd = with_text("abc");
		a.newfd = 3;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
		a.newfd = 0, a.newfd_flags = 4;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
		a.newfd_flags = 0, a.flags = 8;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
		a.flags = 0, a.id++;
		R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
		a.id--;
		struct { struct seccomp_notif_addfd a; long more; } big = { a, 1 };
		R(ioctl(l, _IOC(_IOC_WRITE, '!', 3, sizeof big), &big));
		R(ioctl(l, _IOC(_IOC_WRITE, '!', 3, 8), &big));
		if (i == 0) {
			long fd = ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
			printf("fd %d\n", fd > 2);
			r.id = n.id, r.val = fd;
			R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
		} else if (i == 1) {
			a.flags = SECCOMP_ADDFD_FLAG_SETFD, a.newfd = 50;
			R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
			a.newfd = 1 << 30;
			R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
			a.srcfd = with_text("def"), a.newfd = 51;
			big.a = a, big.more = 0;
			R(ioctl(l, _IOC(_IOC_WRITE, '!', 3, sizeof big), &big));
			r.id = n.id, r.val = 51;
			R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
		} else {
			a.srcfd = with_text("ghi"), a.newfd_flags = O_CLOEXEC;
			a.flags = SECCOMP_ADDFD_FLAG_SEND;
			long fd = ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
			printf("fd %d\n", fd > 2);
			r.id = n.id;
			R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
			R(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
		}
	}
	ended("descriptors", p);
	close(l);
}

static void on_usr1(int s) { (void)s; }

static void interrupted(int sock)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	sigaction(SIGUSR1, &sa, 0);
	for (int i = 0; i < 2; i++) {
		errno = 0;
		long r = syscall(SYS_getppid);
		printf("target: %ld %s\n", r, errno ? strerrorname_np(errno) : "-");
		sa.sa_flags = SA_RESTART;
		sigaction(SIGUSR1, &sa, 0);
	}
	(void)sock;
}

static void signals(void)
{
	int l;
	pid_t p = target(SYS_getppid, 0, interrupted, &l);
	struct seccomp_notif n = {};
	struct seccomp_notif_resp r = { .val = 5 };
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	kill(p, SIGUSR1);
	for (int i = 0; i < 400 && ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id) == 0; i++)
		usleep(5000);
	r.id = n.id;
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
	__u64 first = n.id;
	memset(&n, 0, sizeof n);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	first = n.id;
	kill(p, SIGUSR1);
	memset(&n, 0, sizeof n);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	printf("another %d\n", n.id != first);
	r.id = n.id;
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
	ended("signals", p);

	// One that waits on whatever comes, but for a kill.
	p = target(SYS_getppid, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, interrupted, &l);
	memset(&n, 0, sizeof n);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	kill(p, SIGUSR1);
	usleep(50000);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	r.id = n.id;
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r));
	memset(&n, 0, sizeof n);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
	kill(p, SIGKILL);
	ended("killed", p);
	R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	printf("ready %x\n", ready(l, POLLIN | POLLOUT));
	close(l);
}

static void closed(int sock)
{
	errno = 0;
	long r = syscall(SYS_getppid);
	printf("target: %ld %s\n", r, errno ? strerrorname_np(errno) : "-");
	errno = 0;
	r = syscall(SYS_getppid);
	printf("target: %ld %s\n", r, errno ? strerrorname_np(errno) : "-");
	R(listen_to(SYS_getuid, SECCOMP_FILTER_FLAG_NEW_LISTENER) > 2);
	R(listen_to(SYS_getuid, SECCOMP_FILTER_FLAG_NEW_LISTENER));
	(void)sock;
}

static void installing(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	unsigned short sizes[3] = {};
	R(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes));
	printf("sizes %d %d %d\n", sizes[0], sizes[1], sizes[2]);
	R(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, sizes));
	unsigned a = SECCOMP_RET_USER_NOTIF;
	R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &a));
	R(listen_to(SYS_getppid, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC));
	R(listen_to(SYS_getppid, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
	R(listen_to(SYS_gettid, 0));
	R(syscall(SYS_gettid)); // nobody listens
	OK(listen_to(SYS_getppid, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
}

int main(void)
{
	parent = getpid();
	answers();
	descriptors();
	signals();
	int l;
	pid_t p = target(SYS_getppid, 0, closed, &l);
	while (!(ready(l, POLLIN) & POLLIN))
		usleep(1000);
	close(l);
	ended("closed", p);
	installing();
	return 0;
}
