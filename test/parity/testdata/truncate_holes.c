#include "t.h"

int main(int argc, char **argv) {
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	R(ftruncate(fd, 100000));
	struct stat s;
	fstat(fd, &s);
	printf("%ld %d\n", (long)s.st_size, (int)s.st_blocks);
	R(pwrite(fd, "end", 3, 90000));
	char b[10];
	R(pread(fd, b, 5, 89998));
	printf("%d %d %c\n", b[0], b[1], b[2]);
	R(lseek(fd, 0, SEEK_DATA) <= 90000);
	R(lseek(fd, 0, SEEK_HOLE));
	R(lseek(fd, 100000, SEEK_DATA));
	R(lseek(fd, -1, SEEK_SET));
	R(lseek(fd, 0, SEEK_END));
	R(lseek(fd, 0, 77));
	R(ftruncate(fd, -1));
	R(truncate(".", 0));
	R(truncate("f", 10));
	R(pread(fd, b, 5, 8));
	R(fallocate(fd, 0, 0, 50000));
	fstat(fd, &s);
	printf("%ld\n", (long)s.st_size);
	R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
	R(fallocate(fd, 0, 0, 0));
	R(fallocate(fd, 0, -1, 10));
	R(pwrite(fd, "x", 1, -5));
	int ro = open("f", O_RDONLY);
	R(ftruncate(ro, 0));
	R(fallocate(ro, 0, 0, 1));
	return 0;
}
