// SCM_RIGHTS and SCM_CREDENTIALS.
#include "show.h"
#include <sys/socket.h>

static int s[2];

static long send_fds(const int *fds, int n) {
	char c[CMSG_SPACE(sizeof(int) * 300)] = {0};
	struct iovec v = {"data", 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	*h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * n), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	return sendmsg(s[0], &m, 0);
}

static int got[8], flags;
static long receive(int room, int f, size_t data) {
	char c[256] = {0}, b[64];
	struct iovec v = {b, data};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = room};
	long r = recvmsg(s[1], &m, f);
	if (r < 0)
		return r;
	flags = m.msg_flags;
	int n = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		printf("  level %d type %d", h->cmsg_level, h->cmsg_type);
		if (h->cmsg_type == SCM_RIGHTS) {
			n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(got, CMSG_DATA(h), n * sizeof(int));
			printf(" %d fds", n);
		} else if (h->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;
			memcpy(&u, CMSG_DATA(h), sizeof u);
			printf(" pid %s uid %d gid %d", u.pid == getpid() ? "ours" : u.pid == 0 ? "0" : "other", u.uid == getuid(), u.gid == getgid());
		}
		puts("");
	}
	printf("  control truncated %d\n", (flags & MSG_CTRUNC) != 0);
	return r;
}

int main(void) {
	char b[16] = {0};
	put_file("f", "contents");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	int f = MUST(open("f", O_RDONLY)), p[2];
	MUST(pipe(p));
	SHOW(send_fds((int[]){f, p[0], p[1]}, 3));
	close(f);
	SHOW(receive(CMSG_SPACE(12), 0, 64));
	SHOW(read(got[0], b, 8));
	puts(b);
	SHOW(fcntl(got[0], F_GETFD));
	write(p[1], "through", 7);
	SHOW(read(got[1], b, 8));
	SHOW(send_fds((int[]){99}, 1));
	SHOW(send_fds((int[]){got[0]}, 1));
	SHOW(receive(CMSG_SPACE(4), MSG_CMSG_CLOEXEC, 64));
	SHOW(fcntl(got[0], F_GETFD));
	SHOW(send_fds((int[]){p[0], p[1]}, 2));
	SHOW(receive(CMSG_LEN(4), 0, 64));
	SHOW(send_fds((int[]){p[0]}, 1));
	SHOW(receive(0, 0, 64));
	int many[300];
	for (int i = 0; i < 300; i++)
		many[i] = p[0];
	SHOW(send_fds(many, 254));
	SHOW(send_fds(many, 253));
	SHOW(recv(s[1], b, 2, 0)); // the descriptors go with the first byte
	SHOW(receive(CMSG_SPACE(4), 0, 64));
	// A message with descriptors is not joined with what follows.
	SHOW(send(s[0], "before", 6, 0));
	SHOW(send_fds((int[]){p[0]}, 1));
	SHOW(send(s[0], "after", 5, 0));
	SHOW(receive(CMSG_SPACE(4), 0, 64));
	SHOW(receive(CMSG_SPACE(4), 0, 64));
	SHOW(recv(s[1], b, 16, MSG_DONTWAIT));
	// The last reader's descriptor travels: the pipe has no writer only when
	// it arrives nowhere.
	int q[2];
	MUST(pipe(q));
	SHOW(send_fds((int[]){q[1]}, 1));
	close(q[1]);
	fcntl(q[0], F_SETFL, O_NONBLOCK);
	SHOW(read(q[0], b, 1));
	close(s[1]), close(s[0]);
	SHOW(read(q[0], b, 1));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	int one = 1;
	SHOW(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	SHOW(send(s[0], "plain", 5, 0));
	SHOW(receive(CMSG_SPACE(sizeof(struct ucred)), 0, 64));
	SHOW(send_fds((int[]){p[0]}, 1));
	SHOW(receive(200, 0, 64));
	FORK("child", send(s[0], "c", 1, 0));
	SHOW(receive(200, 0, 64));
	// A socket in its own queue is collected.
	SHOW(send_fds((int[]){s[0], s[1]}, 2));
	close(s[0]), close(s[1]);
	return 0;
}
