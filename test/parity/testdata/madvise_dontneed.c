#include "t.h"

int main(int argc, char **argv) {
	unsigned char *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 7, 65536);
	R(madvise(p + 4096, 8192, MADV_DONTNEED));
	printf("%d %d %d %d\n", p[4095], p[4096], p[12287], p[12288]);
	R(madvise(p, 4096, MADV_WIPEONFORK));
	CHILD("wiped", printf("%d %d\n", p[0], p[20000]));
	printf("%d\n", p[0]);
	R(madvise(p, 65536, MADV_DONTFORK));
	CHILD("not forked", p[0] = 1);
	return 0;
}
