#include "t.h"
#include <sys/un.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
// SO_PASSPIDFD and SO_PEERPIDFD: the pidfd of who sent a message, and of who is at the other end.
#define PASSPIDFD 76
#define PEERPIDFD 77
#define SCM_PIDFD_ 4
static int setint(int s, int name, int v) { return setsockopt(s, SOL_SOCKET, name, &v, sizeof v); }
static int getint(int s, int name) {
	int v = -7;
	socklen_t n = sizeof v;
	return getsockopt(s, SOL_SOCKET, name, &v, &n) ? -errno : v;
}
// whose says whose pidfd fd is.
static const char *whose(int fd, pid_t child) {
	static char b[300];
	char path[64], line[200];
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	int pid = -100, flags = -1;
	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "Pid: %d", &pid);
		sscanf(line, "flags: %o", &flags);
	}
	if (f) fclose(f);
	struct pollfd p = {fd, POLLIN};
	poll(&p, 1, 0);
	sprintf(b, "%s flags %o cloexec %d poll %x", pid == getpid() ? "own" : pid == child ? "child's" : pid == -1 ? "gone" : pid == 0 ? "0" : pid == -100 ? "none" : "other", flags & ~0100000, fcntl(fd, F_GETFD), p.revents);
	return b;
}
static void receive(int s, int flags, int room, pid_t child) {
	char b[100], c[200];
	struct iovec v = {b, sizeof b};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room ? c : NULL, .msg_controllen = room};
	int n = recvmsg(s, &h, flags | MSG_DONTWAIT);
	if (n < 0) {
		printf("  receive: %s\n", strerrorname_np(errno));
		return;
	}
	printf("  %d bytes flags %x control %d:", n, h.msg_flags & ~MSG_CMSG_CLOEXEC, (int)h.msg_controllen);
	for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
		printf(" %d/%d", m->cmsg_type, (int)m->cmsg_len);
		if (m->cmsg_type == SCM_PIDFD_) {
			int fd = *(int *)CMSG_DATA(m);
			printf("(%s)", fd < 0 ? "-1" : whose(fd, child));
			close(fd);
		} else if (m->cmsg_type == SCM_CREDENTIALS) {
			struct ucred *u = (void *)CMSG_DATA(m);
			printf("(%s %d %d)", u->pid == getpid() ? "own" : u->pid == child ? "child's" : u->pid == 0 ? "0" : "other", u->uid, u->gid);
		} else
			close(*(int *)CMSG_DATA(m));
	}
	puts("");
}
static int peer(int s, pid_t child, int size) {
	int fd = -7;
	socklen_t n = size;
	if (getsockopt(s, SOL_SOCKET, PEERPIDFD, &fd, &n)) {
		printf("  peer: %s\n", strerrorname_np(errno));
		return -1;
	}
	if (size < 4)
		printf("  peer: %d bytes\n", (int)n);
	else
		printf("  peer %d: %s\n", (int)n, whose(fd, child));
	return fd;
}
int main() {
	setvbuf(stdout, NULL, _IOLBF, 1 << 14);
	alarm(15);
	for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += type == SOCK_STREAM ? 1 : 3) {
		int p[2];
		printf("type %d\n", type);
		R(socketpair(AF_UNIX, type, 0, p));
		R(getint(p[0], PASSPIDFD));
		R(write(p[1], "before", 6));
		R(setint(p[0], PASSPIDFD, 5));
		R(getint(p[0], PASSPIDFD));
		receive(p[0], 0, 200, 0); // asked for later
		R(write(p[1], "one", 3));
		receive(p[0], MSG_PEEK, 200, 0);
		receive(p[0], 0, 200, 0);
		R(write(p[1], "two", 3));
		receive(p[0], 0, 16, 0);
		R(write(p[1], "two", 3));
		receive(p[0], 0, 20, 0);
		R(write(p[1], "two", 3));
		receive(p[0], 0, 8, 0);
		R(write(p[1], "two", 3));
		receive(p[0], 0, 0, 0);
		R(setint(p[0], SO_PASSCRED, 1));
		R(write(p[1], "both", 4));
		receive(p[0], 0, 200, 0);
		R(write(p[1], "both", 4));
		receive(p[0], 0, 40, 0);
		{ // with descriptors
			char c[CMSG_SPACE(4)];
			struct iovec v = {"fd", 2};
			struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
			struct cmsghdr *m = CMSG_FIRSTHDR(&h);
			m->cmsg_level = SOL_SOCKET, m->cmsg_type = SCM_RIGHTS, m->cmsg_len = CMSG_LEN(4);
			*(int *)CMSG_DATA(m) = 0;
			R(sendmsg(p[1], &h, 0));
			receive(p[0], 0, 200, 0);
			m->cmsg_type = SCM_PIDFD_;
			R(sendmsg(p[1], &h, 0));
			receive(p[0], 0, 200, 0);
		}
		R(setint(p[0], SO_PASSCRED, 0));
		R(setint(p[0], PASSPIDFD, 0));
		R(write(p[1], "sent before", 11));
		R(setint(p[0], SO_PASSCRED, 1));
		receive(p[0], 0, 200, 0);
		R(setint(p[0], SO_PASSCRED, 0));
		R(setint(p[0], PASSPIDFD, 1));
		R(setint(p[1], PASSPIDFD, 1)); // the sender's counts too
		// From a process that ends.
		int go[2];
		pipe(go);
		pid_t child = fork();
		if (!child) {
			char x;
			close(go[1]);
			write(p[1], "child", 5);
			read(go[0], &x, 1);
			_exit(3);
		}
		struct pollfd pf = {p[0], POLLIN};
		poll(&pf, 1, 5000);
		receive(p[0], MSG_PEEK, 200, child);
		// Of two senders.
		R(write(p[1], "own", 3));
		receive(p[0], MSG_PEEK, 200, child);
		close(go[1]), close(go[0]);
		siginfo_t si;
		R(waitid(P_PID, child, &si, WEXITED | WNOWAIT));
		receive(p[0], MSG_PEEK, 200, child);
		R(waitpid(child, NULL, 0) == child);
		receive(p[0], 0, 200, child);
		receive(p[0], 0, 200, child);
		peer(p[0], 0, 4);
		peer(p[0], 0, 2);
		peer(p[0], 0, 0);
		peer(p[0], 0, 100);
		close(p[0]), close(p[1]);
	}
	// Of a listener, and who came to it and is gone.
	struct sockaddr_un a = {AF_UNIX, "\0hull.pidfd"};
	int l = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
	peer(l, 0, 4);
	peer(d, 0, 4);
	R(bind(l, (void *)&a, 13));
	R(setint(l, PASSPIDFD, 1));
	peer(l, 0, 4);
	R(listen(l, 5));
	peer(l, 0, 4);
	pid_t child = fork();
	if (!child) {
		int c = socket(AF_UNIX, SOCK_STREAM, 0);
		connect(c, (void *)&a, 13);
		write(c, "hello", 5);
		_exit(5);
	}
	int s = accept(l, NULL, NULL);
	R(getint(s, PASSPIDFD));
	siginfo_t si;
	waitid(P_PID, child, &si, WEXITED | WNOWAIT);
	int fd = peer(s, child, 4);
	R(waitpid(child, NULL, 0) == child);
	close(peer(s, child, 4));
	receive(s, 0, 200, child);
	printf("  the first: %s\n", whose(fd, child));
	R(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	int c = socket(AF_UNIX, SOCK_STREAM, 0);
	R(connect(c, (void *)&a, 13));
	peer(c, 0, 4);
	// Other families.
	int t[] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), socket(AF_NETLINK, SOCK_RAW, 0)};
	for (int i = 0; i < 3; i++) {
		R(setint(t[i], PASSPIDFD, 1));
		R(getint(t[i], PASSPIDFD));
		peer(t[i], 0, 4);
	}
}
