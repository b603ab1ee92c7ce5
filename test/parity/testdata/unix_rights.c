#include "t.h"

int main(int argc, char **argv) {
	int s[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	spew("f", "passed");
	int fd = open("f", O_RDONLY);
	char ctl[CMSG_SPACE(8)], x = 'x';
	struct iovec v = {&x, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = CMSG_SPACE(4)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(4);
	memcpy(CMSG_DATA(c), &fd, 4);
	R(sendmsg(s[0], &m, 0));
	close(fd);
	m.msg_controllen = sizeof ctl;
	R(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC));
	c = CMSG_FIRSTHDR(&m);
	printf("%d %d %d\n", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
	memcpy(&fd, CMSG_DATA(c), 4);
	char b[10];
	R(read(fd, b, 10));
	R(fcntl(fd, F_GETFD));
	int on = 1;
	R(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, 4));
	m.msg_control = 0, m.msg_controllen = 0;
	R(sendmsg(s[0], &m, 0));
	m.msg_control = ctl, m.msg_controllen = sizeof ctl;
	R(recvmsg(s[1], &m, 0));
	printf("%d\n", m.msg_flags & MSG_CTRUNC ? 1 : 0);
	fd = 99;
	c = CMSG_FIRSTHDR(&m);
	m.msg_controllen = CMSG_SPACE(4);
	c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
	memcpy(CMSG_DATA(c), &fd, 4);
	R(sendmsg(s[0], &m, 0));
	return 0;
}
