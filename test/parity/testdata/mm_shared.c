// Shared mappings: between processes, with write(2), and msync.
#include "show.h"

int main(void) {
	int *anon = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FORK("child", { anon[3] = 42; });
	printf("the parent sees %d\n", anon[3]);

	int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	MUST(ftruncate(fd, 10000));
	char *m = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	strcpy(m + 4090, "across a page");
	char b[32] = {0};
	SHOW(pread(fd, b, 13, 4090));
	printf("read back: %s\n", b);
	SHOW(pwrite(fd, "WRITTEN", 7, 5000));
	printf("mapped: %.7s\n", m + 5000);
	SHOW(msync(m, 12288, MS_SYNC));
	SHOW(msync(m, 12288, MS_ASYNC));
	SHOW(msync(m, 12288, MS_SYNC | MS_ASYNC));
	SHOW(msync(m + 1, 100, MS_SYNC));
	char *other = mmap(NULL, 4096, PROT_READ, MAP_SHARED, MUST(open("f", O_RDONLY)), 4096);
	printf("another mapping: %.7s\n", other + 5000 - 4096);
	FORK("writer", { memcpy(m + 5000, "changed", 7); });
	printf("after the child: %.7s\n", other + 5000 - 4096);
	printf("tail of the last page: %d\n", m[10001]);
	m[10001] = 'x';
	struct stat st;
	fstat(fd, &st);
	printf("size stays %ld\n", (long)st.st_size);
	SHOW(mprotect(other, 4096, PROT_READ | PROT_WRITE));
	SHOW(munmap(m, 12288));
	SHOW(msync(m, 4096, MS_SYNC));
	SHOW(pread(fd, b, 7, 5000));
	printf("file: %.7s\n", b);
	return 0;
}
