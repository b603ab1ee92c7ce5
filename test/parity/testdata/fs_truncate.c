// truncate, fallocate, holes, lseek with SEEK_DATA and SEEK_HOLE.
#include "show.h"

static long size(int fd) {
	struct stat st;
	fstat(fd, &st);
	return st.st_size;
}

int main(void) {
	char b[64] = {0};
	int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	SHOW(pwrite(fd, "end", 3, 100000));
	SHOW(size(fd));
	SHOW(pread(fd, b, 10, 50000));
	printf("a hole is zero: %d\n", b[0] == 0 && b[9] == 0);
	SHOW(pread(fd, b, 10, 99999));
	SHOW(pread(fd, b, 10, 100003));
	SHOW(pread(fd, b, 10, 1L << 40));
	SHOW(ftruncate(fd, 100001));
	SHOW(ftruncate(fd, 100010));
	SHOW(pread(fd, b, 20, 99999));
	printf("%d %c %d\n", b[0], b[1], b[2]);
	SHOW(ftruncate(fd, -1));
	SHOW(truncate("f", 7));
	SHOW(truncate("missing", 7));
	SHOW(truncate(".", 7));
	SHOW(truncate("f", -1));
	SHOW(ftruncate(MUST(open("f", O_RDONLY)), 3));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, -8, SEEK_CUR));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, 1000, SEEK_CUR));
	SHOW(lseek(fd, LONG_MAX, SEEK_CUR));
	SHOW(lseek(fd, 0, 99));
	SHOW(ftruncate(fd, 0));
	SHOW(pwrite(fd, "data", 4, 1 << 20));
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, 1 << 20, SEEK_DATA));
	SHOW(lseek(fd, 1 << 20, SEEK_HOLE));
	SHOW(lseek(fd, (1 << 20) + 4, SEEK_DATA));
	SHOW(lseek(fd, -1, SEEK_DATA));
	SHOW(fallocate(fd, 0, 0, 2 << 20));
	SHOW(size(fd));
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 << 20));
	SHOW(size(fd));
	SHOW(pwrite(fd, "punch me", 8, 4096));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4098, 3));
	SHOW(pread(fd, b, 8, 4096));
	printf("%c%c %d%d%d %c%c%c\n", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 8192));
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(fd, 0, -1, 5));
	SHOW(fallocate(fd, 0x1000, 0, 5));
	SHOW(fallocate(0x7fff, 0, 0, 5));
	int p[2];
	MUST(pipe(p));
	SHOW(fallocate(p[1], 0, 0, 5));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	SHOW(posix_fadvise(fd, 0, 0, 99));
	SHOW(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	SHOW(syncfs(fd));
	SHOW(readahead(fd, 0, 4096));
	return 0;
}
