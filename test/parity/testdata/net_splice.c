// needs: root
#include "net.h"

int main() {
	fresh();
	int l = listening("127.0.0.1", 7000), c = dial(SOCK_STREAM, "127.0.0.1", 7000), s = accept(l, 0, 0);
	int f = open("file", O_RDWR | O_CREAT, 0600), p[2];
	static char buf[1 << 20], got[1 << 20];
	for (int i = 0; i < sizeof buf; i++)
		buf[i] = i * 7 >> 3;
	write(f, buf, sizeof buf);
	pipe(p);
	char b[100000];
	// A file to a socket.
	off_t off = 100;
	R(sendfile(c, f, &off, 1000));
	printf("%ld\n", (long)off);
	R(recv(s, b, sizeof b, MSG_WAITALL * 0));
	printf("same %d\n", !memcmp(b, buf + 100, 1000));
	lseek(f, 0, SEEK_SET);
	if (fork() == 0) {
		long n = 0, r;
		while (n < sizeof buf && (r = sendfile(c, f, 0, sizeof buf)) > 0)
			n += r;
		_exit(n == sizeof buf);
	}
	int n = 0;
	while (n < sizeof got) {
		int r = read(s, got + n, sizeof got - n);
		if (r <= 0)
			break;
		n += r;
	}
	printf("got %d same %d\n", n, !memcmp(got, buf, sizeof buf));
	int st;
	wait(&st);
	status("sender", st);
	R(sendfile(c, f, 0, 10)); // at the end
	// A socket to a pipe, and back.
	write(c, "hello world", 11);
	until(s, POLLIN);
	R(splice(s, 0, p[1], 0, 100, 0));
	nonblock(s);
	R(splice(s, 0, p[1], 0, 100, 0));
	R(splice(s, &off, p[1], 0, 100, 0));
	R(read(p[0], b, 5));
	R(splice(p[0], 0, c, 0, 100, SPLICE_F_MORE));
	R(splice(p[0], 0, c, 0, 100, SPLICE_F_NONBLOCK));
	R(send(c, "!", 1, 0));
	usleep(20000);
	memset(b, 0, 20);
	R(recv(s, b, 20, 0));
	puts(b);
	// tee and vmsplice are about pipes only.
	R(tee(s, p[1], 10, 0));
	struct iovec v = {"ab", 2};
	R(vmsplice(c, &v, 1, 0));
	// The end of the stream.
	shutdown(c, SHUT_WR);
	until(s, POLLIN);
	R(splice(s, 0, p[1], 0, 100, 0));
	R(splice(p[0], 0, c, 0, 100, SPLICE_F_NONBLOCK));
	write(p[1], "x", 1);
	CHILD("sigpipe", R(splice(p[0], 0, c, 0, 100, 0)));
	signal(SIGPIPE, SIG_IGN);
	R(sendfile(c, f, (off_t[]){0}, 10));
	unlink("file");
	// Zero copy, with its completions.
	c = dial(SOCK_STREAM, "127.0.0.1", 7000), s = accept(l, 0, 0);
	R(send(c, "a", 1, MSG_ZEROCOPY));
	E(c);
	R(setopt(c, SOL_SOCKET, SO_ZEROCOPY, 1));
	R(send(c, "b", 1, MSG_ZEROCOPY));
	R(send(c, "c", 1, MSG_ZEROCOPY));
	usleep(200000);
	E(c);
	char ctl[100];
	struct msghdr m = {.msg_control = ctl, .msg_controllen = sizeof ctl};
	R(recvmsg(c, &m, MSG_ERRQUEUE));
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (h) {
		struct sock_extended_err *e = (void *)CMSG_DATA(h);
		printf("%x level %d type %d: errno %d origin %d code %d info %d data %d\n", m.msg_flags, h->cmsg_level, h->cmsg_type, e->ee_errno, e->ee_origin, e->ee_code, e->ee_info, e->ee_data);
	}
	R(recvmsg(c, &m, MSG_ERRQUEUE));
	E(c);
}
