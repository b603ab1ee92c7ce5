// Mapped files that change underneath: truncation, deletion, dup, exec bits.
#include "show.h"

int main(void) {
	int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	for (int i = 0; i < 3; i++) {
		char page[4096];
		memset(page, 'A' + i, sizeof page);
		write(fd, page, sizeof page);
	}
	char *sh = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *pr = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("%c%c%c %c%c%c\n", sh[0], sh[4096], sh[8192], pr[0], pr[4096], pr[8192]);
	pr[4096] = 'p';
	sh[4096] = 's', sh[8192] = 't';
	printf("private %c, unwritten private page follows the file: %c\n", pr[4096], pr[8192]);
	MUST(ftruncate(fd, 4096 + 10));
	MUST(ftruncate(fd, 12288));
	printf("zero after shrink and growth: %d %d\n", sh[4096 + 11], sh[8192]);
	printf("before the cut: %c\n", sh[4096 + 9]);
	SHOW(unlink("f"));
	close(fd);
	sh[0] = 'u';
	printf("unlinked, closed, still mapped: %c\n", sh[0]);
	FORK("child", { sh[1] = 'v'; });
	printf("shared with a child: %c\n", sh[1]);
	SHOW(munmap(sh + 4096, 4096));
	printf("split: %c %d\n", sh[0], sh[8192]);

	int off = MUST(open("g", O_RDWR | O_CREAT, 0644));
	MUST(ftruncate(off, 1 << 20));
	char *late = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, off, 512 << 10);
	late[0] = 'L';
	char c = 0;
	pread(off, &c, 1, 512 << 10);
	printf("at an offset: %c\n", c);
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, off, -4096L));
	// Reading a file into its own mapping.
	SHOW(pread(off, late, 4096, 512 << 10));
	printf("%c\n", late[0]);
	char *beyond = mmap(NULL, 8192, PROT_READ, MAP_SHARED, off, 1 << 20);
	printf("mapping behind the end is allowed: %d\n", beyond != MAP_FAILED);
	return 0;
}
