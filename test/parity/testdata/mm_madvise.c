// madvise: DONTNEED drops, the others are taken, wrong ones are not.
#include "show.h"

int main(void) {
	size_t pg = 4096;
	char *a = mmap(NULL, 4 * pg, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(a, 'a', 4 * pg);
	SHOW(madvise(a + pg, 2 * pg, MADV_DONTNEED));
	printf("%c %d %d %c\n", a[0], a[pg], a[2 * pg], a[3 * pg]);
	put_file("f", "on disk");
	char *f = mmap(NULL, pg, PROT_READ | PROT_WRITE, MAP_PRIVATE, MUST(open("f", O_RDWR)), 0);
	memcpy(f, "changed", 7);
	SHOW(madvise(f, pg, MADV_DONTNEED));
	printf("private file page again: %s\n", f);
	char *s = mmap(NULL, pg, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(s, "shared");
	SHOW(madvise(s, pg, MADV_DONTNEED));
	printf("shared memory stays: %s\n", s);
	SHOW(madvise(s, pg, MADV_REMOVE));
	printf("removed: %d\n", s[0]);
	SHOW(madvise(a, 4 * pg, MADV_NORMAL));
	SHOW(madvise(a, 4 * pg, MADV_RANDOM));
	SHOW(madvise(a, 4 * pg, MADV_SEQUENTIAL));
	SHOW(madvise(a, 4 * pg, MADV_WILLNEED));
	SHOW(madvise(a, 4 * pg, MADV_DONTFORK));
	FORK("dontfork", { a[0] = 1; });
	SHOW(madvise(a, 4 * pg, MADV_DOFORK));
	memset(a, 'w', 4 * pg);
	SHOW(madvise(a, pg, MADV_WIPEONFORK));
	FORK("wipeonfork", { printf("%d %c\n", a[0], a[pg]); });
	SHOW(madvise(a, pg, MADV_KEEPONFORK));
	SHOW(madvise(a + 1, pg, MADV_NORMAL));
	SHOW(madvise(a, pg, 999));
	SHOW(madvise(a, 0, MADV_DONTNEED));
	SHOW(madvise(a, -1UL, MADV_DONTNEED));
	munmap(a + pg, pg);
	SHOW(madvise(a, 3 * pg, MADV_DONTNEED));
	printf("around the hole: %d %d\n", a[0], a[2 * pg]);
	SHOW(madvise(a, pg, MADV_FREE));
	SHOW(madvise(s, pg, MADV_FREE));
	return 0;
}
