// read and write in all their forms, on files and devices.
#include "show.h"
#include <sys/uio.h>

int main(void) {
	char b[64] = {0}, c[64] = {0};
	int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	struct iovec w[3] = {{"one ", 4}, {"", 0}, {"three", 5}};
	SHOW(writev(fd, w, 3));
	SHOW(lseek(fd, 0, SEEK_SET));
	struct iovec r[2] = {{b, 2}, {c, 60}};
	SHOW(readv(fd, r, 2));
	printf("%s|%s\n", b, c);
	SHOW(readv(fd, r, 2));
	SHOW(preadv(fd, r, 2, 4));
	printf("%s|%s\n", b, c);
	SHOW(pwritev(fd, w, 3, 20));
	SHOW(preadv2(fd, r, 1, 0, 0));
	SHOW(preadv2(fd, r, 1, -1, 0));
	SHOW(preadv2(fd, r, 1, 0, 0x4000));
	SHOW(pwritev2(fd, w, 1, 0, RWF_SYNC));
	SHOW(readv(fd, r, 0));
	SHOW(readv(fd, r, -1));
	SHOW(readv(fd, r, 1025));
	SHOW(pread(fd, b, 5, -1));
	SHOW(pwrite(fd, b, 5, -1));
	SHOW(pread(fd, b, 0, 0));
	SHOW(read(99, b, 1));
	SHOW(write(99, b, 1));
	int ro = MUST(open("f", O_RDONLY)), wo = MUST(open("f", O_WRONLY));
	SHOW(write(ro, b, 1));
	SHOW(read(wo, b, 1));
	SHOW(write(ro, b, 0));
	SHOW(read(MUST(open(".", O_RDONLY)), b, 1));
	int zero = MUST(open("/dev/zero", O_RDWR)), null = MUST(open("/dev/null", O_RDWR)), fullfd = MUST(open("/dev/full", O_RDWR)), rnd = MUST(open("/dev/urandom", O_RDONLY));
	memset(b, 1, sizeof b);
	SHOW(read(zero, b, 64));
	printf("zero %d\n", b[0] == 0 && b[63] == 0);
	SHOW(write(zero, b, 64));
	SHOW(read(null, b, 64));
	SHOW(write(null, b, 64));
	SHOW(lseek(null, 100, SEEK_SET));
	SHOW(read(fullfd, b, 64));
	SHOW(write(fullfd, b, 64));
	SHOW(read(rnd, b, 64));
	SHOW(read(rnd, c, 64));
	printf("random differs %d\n", memcmp(b, c, 64) != 0);
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, null, 0));
	char *z = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	printf("mapped zero %d\n", z != MAP_FAILED && z[17] == 0);
	char *big = malloc(3 << 20);
	memset(big, 'B', 3 << 20);
	SHOW(pwrite(fd, big, 3 << 20, 0));
	memset(big, 0, 3 << 20);
	SHOW(pread(fd, big, 3 << 20, 100));
	printf("big %c %c %d\n", big[0], big[(3 << 20) - 101], big[(3 << 20) - 100]);
	int a1 = MUST(open("log", O_CREAT | O_WRONLY | O_APPEND, 0644)), a2 = MUST(open("log", O_WRONLY | O_APPEND));
	for (int i = 0; i < 3; i++)
		write(a1, "a", 1), write(a2, "b", 1);
	SHOW(lseek(a1, 0, SEEK_CUR));
	cat_file("log");
	return 0;
}
