#include "t.h"

int main(int argc, char **argv) {
	int p[2];
	pipe(p);
	struct pollfd f[3] = {{p[0], POLLIN}, {p[1], POLLOUT}, {99, POLLIN}};
	R(poll(f, 3, 0));
	printf("%x %x %x\n", f[0].revents, f[1].revents, f[2].revents);
	write(p[1], "x", 1);
	R(poll(f, 2, 0));
	printf("%x %x\n", f[0].revents, f[1].revents);
	fd_set r, w;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	struct timeval t = {0, 10000};
	R(select(10, &r, &w, 0, &t));
	printf("%d %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w));
	close(p[1]);
	char c;
	read(p[0], &c, 1);
	R(poll(f, 1, 0));
	printf("%x\n", f[0].revents);
	FD_ZERO(&r);
	FD_SET(99, &r);
	R(select(100, &r, 0, 0, &t));
	R(select(-1, 0, 0, 0, 0));
	R(poll(f, 1 << 21, 0));
	R(poll((void *)8, 1, 0));
	struct timespec ts = {0, 1000000};
	R(ppoll(0, 0, &ts, 0));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	return 0;
}
