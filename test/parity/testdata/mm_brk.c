// brk: the heap grows, shrinks, is zero and says no by answering the old end.
#include "show.h"

int main(void) {
	char *start = (char *)syscall(SYS_brk, 0);
	printf("the end is known: %d\n", start != NULL);
	char *end = (char *)syscall(SYS_brk, start + 3 * 4096);
	printf("grew by %ld\n", (long)(end - start));
	for (char *p = start; p < end; p++)
		if (*p && p >= (char *)(((uintptr_t)start + 4095) & ~4095UL))
			puts("not zero");
	memset(start, 'x', end - start);
	end = (char *)syscall(SYS_brk, start + 100);
	printf("shrank to %ld, kept %c\n", (long)(end - start), start[50]);
	end = (char *)syscall(SYS_brk, start + 3 * 4096);
	printf("back at %ld, new pages zero %d\n", (long)(end - start), start[2 * 4096 + 4095] == 0);
	printf("too low: %d\n", (char *)syscall(SYS_brk, 4096) == end);
	printf("too high: %d\n", (char *)syscall(SYS_brk, 1UL << 46) == end);
	munmap((void *)(((uintptr_t)start + 4095) & ~4095UL), 4096);
	printf("with a hole: %d\n", (char *)syscall(SYS_brk, start + 5 * 4096) == start + 5 * 4096);
	FORK("child", {
		printf("same in the child: %d\n", (char *)syscall(SYS_brk, 0) == start + 5 * 4096);
		syscall(SYS_brk, start);
	});
	printf("own in the parent: %d\n", (char *)syscall(SYS_brk, 0) == start + 5 * 4096);
	return 0;
}
