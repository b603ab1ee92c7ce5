#include "t.h"

int main(int argc, char **argv) {
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0));
	OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, 99, 0));
	OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
	OK(mmap((void *)1, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	OK(mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	R(munmap(p + 1, 4096));
	R(munmap(p, 0));
	R(mprotect(p + 1, 4096, PROT_READ));
	R(mprotect(p, 0, PROT_READ));
	R(mprotect((void *)(1L << 46), 4096, PROT_READ));
	R(munmap(p, 4096));
	R(mprotect(p, 8192, PROT_READ));
	R(msync(p, 8192, MS_SYNC));
	R(msync(p + 4096, 4096, MS_SYNC | MS_ASYNC));
	unsigned char v[2];
	R(mincore(p, 8192, v));
	R(madvise(p + 4096, 4096, 12345));
	R(madvise(p, 8192, MADV_DONTNEED));
	return 0;
}
