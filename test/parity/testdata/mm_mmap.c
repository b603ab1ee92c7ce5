// mmap: kinds, fixed addresses, lengths and errors.
#include "show.h"

int main(void) {
	size_t pg = 4096;
	char *p = mmap(NULL, 4 * pg, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("anonymous: %d, zero %d\n", p != MAP_FAILED, p[0] == 0 && p[4 * pg - 1] == 0);
	p[pg] = 7;
	char *q = mmap(p + pg, pg, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	printf("fixed over it: %d, zero again %d\n", q == p + pg, p[pg] == 0);
	errno = 0;
	q = mmap(p + pg, pg, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	printf("noreplace: %d %s\n", q == MAP_FAILED, strerrorname_np(errno));
	munmap(p + pg, pg);
	q = mmap(p + pg, pg, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	printf("noreplace in a hole: %d\n", q == p + pg);
	SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, pg, PROT_READ, MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, pg, PROT_READ, MAP_PRIVATE, -1, 0));
	SHOW(mmap(NULL, pg, PROT_READ, MAP_PRIVATE, 99, 0));
	SHOW(mmap((void *)1, pg, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	SHOW(mmap(NULL, (size_t)-1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(mmap((void *)(1UL << 47), pg, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));

	put_file("f", "hello");
	int fd = MUST(open("f", O_RDONLY));
	SHOW(mmap(NULL, pg, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SHOW(mmap(NULL, pg, PROT_READ, MAP_SHARED, fd, 1));
	char *r = mmap(NULL, pg, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	r[0] = 'J';
	printf("private copy: %s\n", r);
	cat_file("f");
	int wr = MUST(open("f", O_WRONLY));
	SHOW(mmap(NULL, pg, PROT_READ, MAP_PRIVATE, wr, 0));
	int dir = MUST(open(".", O_RDONLY));
	SHOW(mmap(NULL, pg, PROT_READ, MAP_PRIVATE, dir, 0));
	SHOW(munmap(p, 0));
	SHOW(munmap(p + 1, pg));
	SHOW(munmap(p, 4 * pg));
	SHOW(munmap(p, 4 * pg));
	SHOW(munmap((void *)-4096L, 4096));
	return 0;
}
