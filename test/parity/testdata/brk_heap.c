#include "t.h"

int main(int argc, char **argv) {
	char *a = sbrk(0), *b;
	b = sbrk(100000);
	printf("%d\n", a == b);
	memset(b, 1, 100000);
	printf("%d\n", (char *)sbrk(0) - a == 100000);
	sbrk(-100000);
	printf("%d\n", sbrk(0) == a);
	b = sbrk(100000);
	printf("%d\n", b[50000]);
	R(brk((void *)1));
	return 0;
}
