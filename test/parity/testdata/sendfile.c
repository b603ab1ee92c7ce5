#include "t.h"

int main(int argc, char **argv) {
	spew("a", "0123456789abcdef");
	int in = open("a", O_RDONLY), out = open("b", O_RDWR | O_CREAT, 0644);
	off_t o = 4;
	R(sendfile(out, in, &o, 6));
	printf("%ld\n", (long)o);
	show("b");
	R(lseek(in, 0, SEEK_CUR));
	R(sendfile(out, in, 0, 100));
	show("b");
	loff_t i = 2, j = 0;
	R(copy_file_range(in, &i, out, &j, 5, 0));
	show("b");
	R(copy_file_range(in, 0, out, 0, 5, 1));
	R(copy_file_range(out, 0, in, 0, 5, 0));
	R(sendfile(in, out, 0, 5));
	struct iovec v[3] = {{"one", 3}, {"", 0}, {"two", 3}};
	R(pwritev(out, v, 3, 0));
	show("b");
	R(writev(out, v, -1));
	R(writev(out, v, 2000));
	char x[4], y[4];
	struct iovec r[2] = {{x, 2}, {y, 4}};
	R(preadv(out, r, 2, 1));
	printf("%.2s %.4s\n", x, y);
	R(preadv2(out, r, 2, 1, 0x1000));
	R(readv(out, (void *)8, 2));
	return 0;
}
