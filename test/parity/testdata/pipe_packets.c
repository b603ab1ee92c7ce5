#include "t.h"

int main(int argc, char **argv) {
	int p[2];
	R(pipe2(p, O_DIRECT));
	char b[100];
	R(write(p[1], "hello", 5));
	R(write(p[1], "you", 3));
	R(read(p[0], b, 2));
	R(read(p[0], b, 100));
	int q[2];
	pipe(q);
	write(q[1], "tee me", 6);
	int r[2];
	pipe(r);
	R(tee(q[0], r[1], 100, 0));
	R(read(r[0], b, 100));
	printf("%.6s\n", b);
	int f = open("f", O_RDWR | O_CREAT, 0644);
	R(splice(q[0], 0, f, 0, 100, 0));
	show("f");
	loff_t off = 2;
	R(splice(f, &off, q[1], 0, 3, 0));
	printf("%d\n", (int)off);
	R(read(q[0], b, 100));
	R(splice(f, 0, f, 0, 10, 0));
	struct iovec v = {"vm", 2};
	R(vmsplice(q[1], &v, 1, 0));
	R(read(q[0], b, 100));
	return 0;
}
