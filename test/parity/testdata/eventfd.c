#include "t.h"

int main(int argc, char **argv) {
	int e = eventfd(3, EFD_NONBLOCK);
	uint64_t v;
	R(read(e, &v, 8));
	printf("%d\n", (int)v);
	R(read(e, &v, 8));
	v = 5;
	R(write(e, &v, 8));
	v = -1;
	R(write(e, &v, 8));
	R(write(e, &v, 4));
	v = -2;
	R(write(e, &v, 8));
	struct pollfd p = {e, POLLIN | POLLOUT};
	R(poll(&p, 1, 0));
	printf("%x\n", p.revents);
	int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	R(read(s, &v, 8));
	printf("%d\n", (int)v);
	R(read(s, &v, 8));
	R(read(s, &v, 8));
	R(eventfd(0, 0x1000));
	R(lseek(e, 0, SEEK_SET));
	R(pread(e, &v, 8, 0));
	return 0;
}
