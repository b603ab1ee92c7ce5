#include "t.h"

int main(int argc, char **argv) {
	char *p = mmap(0, 4096 * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	strcpy(p + 4096, "two");
	char *q = mremap(p, 4096 * 4, 4096 * 2, 0);
	printf("shrunk in place %d\n", q == p);
	q = mremap(p, 4096 * 2, 4096 * 64, MREMAP_MAYMOVE);
	printf("%s\n", q + 4096);
	OK(mremap(q, 4096, 4096 * 100000, 0));
	R(mremap(q, 4096, 0, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0);
	char *t = mmap(0, 4096 * 8, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *r = mremap(q + 4096, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, t);
	printf("%d %s\n", r == t, r);
	OK(mremap((void *)(1L << 45), 4096, 8192, MREMAP_MAYMOVE));
	char *s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(s, "shared");
	char *d = mremap(s, 0, 4096, MREMAP_MAYMOVE);
	printf("%s %d\n", d, d != s);
	s[0] = 'S';
	printf("%s\n", d);
	return 0;
}
