#include "t.h"

int main(int argc, char **argv) {
	int p[2];
	R(pipe2(p, O_NONBLOCK));
	char b[65536];
	memset(b, 'a', sizeof b);
	R(read(p[0], b, 1));
	R(write(p[1], b, sizeof b));
	R(write(p[1], b, 1));
	R(fcntl(p[1], F_GETPIPE_SZ));
	R(read(p[0], b, 1000));
	R(write(p[1], b, 5000));
	R(read(p[0], b, 4000));
	R(write(p[1], b, 4096));
	int n;
	R(ioctl(p[0], FIONREAD, &n));
	printf("%d\n", n);
	R(fcntl(p[1], F_SETPIPE_SZ, 4096));
	R(fcntl(p[1], F_SETPIPE_SZ, 200000));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	R(write(p[1], "x", 1));
	R(write(p[1], "", 0));
	signal(SIGPIPE, SIG_DFL);
	CHILD("sigpipe", write(p[1], "x", 1));
	R(pipe2(p, 0x123));
	R(pipe((int *)8));
	R(pipe(p));
	R(lseek(p[0], 0, SEEK_CUR));
	R(write(p[0], "x", 1));
	R(read(p[1], b, 1));
	struct stat st;
	fstat(p[0], &st);
	printf("%o\n", st.st_mode);
	return 0;
}
