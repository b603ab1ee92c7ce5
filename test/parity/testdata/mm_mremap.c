// mremap: growing, shrinking, moving.
#include "show.h"

int main(void) {
	size_t pg = 4096;
	char *a = mmap(NULL, 64 * pg, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(a + 8 * pg, 56 * pg);
	for (int i = 0; i < 8; i++)
		a[i * pg] = 'a' + i;
	char *b = mremap(a, 8 * pg, 4 * pg, 0);
	printf("shrink in place: %d\n", b == a);
	b = mremap(a, 4 * pg, 6 * pg, 0);
	printf("grow in place: %d, new pages are zero %d\n", b == a, a[4 * pg] == 0);
	mmap(a + 6 * pg, pg, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	SHOW(mremap(a, 6 * pg, 7 * pg, 0));
	b = mremap(a, 6 * pg, 20 * pg, MREMAP_MAYMOVE);
	printf("moved: %d, contents %c%c, old gone ", b != MAP_FAILED && b != a, b[0], b[pg]);
	printf("%d\n", msync(a, pg, MS_ASYNC) == -1 && errno == ENOMEM);
	char *to = mmap(NULL, 32 * pg, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *c = mremap(b, 20 * pg, 20 * pg, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	printf("fixed: %d %c\n", c == to, c[pg]);
	SHOW(mremap(c, 20 * pg, 20 * pg, MREMAP_FIXED, b));
	SHOW(mremap(c, 20 * pg, 20 * pg, MREMAP_MAYMOVE | MREMAP_FIXED, c + pg));
	SHOW(mremap(c, 20 * pg, 0, MREMAP_MAYMOVE));
	SHOW(mremap(c + 1, pg, 2 * pg, MREMAP_MAYMOVE));
	SHOW(mremap(c, pg, pg, 64));
	SHOW(mremap(NULL, pg, 2 * pg, MREMAP_MAYMOVE));
	char *d = mremap(c, 20 * pg, 20 * pg, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	printf("dontunmap: %d, moved %c, left zero %d\n", d != MAP_FAILED, d[pg], c[pg] == 0);
	put_file("f", "in a file");
	int fd = MUST(open("f", O_RDWR));
	char *f = mmap(NULL, pg, PROT_READ, MAP_SHARED, fd, 0);
	char *g = mremap(f, 0, pg, MREMAP_MAYMOVE);
	printf("duplicate of a shared mapping: %d %s %s\n", g != f, f, g);
	return 0;
}
