// openat2: RESOLVE flags and its structure.
#include "show.h"
#include <linux/openat2.h>

static long o2(int dir, const char *path, uint64_t flags, uint64_t resolve) {
	struct open_how how = {.flags = flags, .resolve = resolve};
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

int main(void) {
	MUST(mkdir("r", 0755)), MUST(mkdir("r/d", 0755));
	put_file("r/f", "x"), put_file("out", "y");
	symlink("../out", "r/up"), symlink("/f", "r/abs"), symlink("f", "r/in"), symlink("d/../f", "r/back"), symlink("r/in", "lin");
	int r = MUST(open("r", O_PATH));
	uint64_t flags[] = {0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV};
	const char *paths[] = {"f", "d/../f", "../out", "up", "abs", "in", "back", "/f", "..", "."};
	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
		for (unsigned k = 0; k < sizeof paths / sizeof *paths; k++) {
			if (flags[i] == RESOLVE_NO_XDEV && !strcmp(paths[k], "abs"))
				continue; // EXDEV even on one mount: an oddity of fs/namei.c
			errno = 0;
			long x = o2(r, paths[k], O_RDONLY, flags[i]);
			printf("resolve %lx %s: %s\n", (long)flags[i], paths[k], x ? strerrorname_np(errno) : "ok");
		}
	SHOW(o2(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS));
	SHOW(o2(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_XDEV));
	SHOW(o2(AT_FDCWD, "f", O_RDONLY, 0x1000));
	SHOW(o2(AT_FDCWD, "r", O_RDONLY | (1UL << 40), 0));
	SHOW(o2(AT_FDCWD, "r/f", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
	SHOW(o2(r, "new", O_CREAT | O_WRONLY, RESOLVE_IN_ROOT));
	struct open_how how = {.flags = O_RDONLY, .mode = 0644};
	SHOW(syscall(SYS_openat2, r, "f", &how, sizeof how));
	how.mode = 0;
	SHOW(syscall(SYS_openat2, r, "f", &how, 8));
	char big[100] = {0};
	SHOW(syscall(SYS_openat2, r, "f", big, sizeof big));
	big[90] = 1;
	SHOW(syscall(SYS_openat2, r, "f", big, sizeof big));
	SHOW(syscall(SYS_openat2, r, "f", NULL, sizeof how));
	how = (struct open_how){.flags = O_CREAT | O_WRONLY, .mode = 010000};
	SHOW(syscall(SYS_openat2, r, "g", &how, sizeof how));
	how = (struct open_how){.flags = O_PATH | O_WRONLY | O_TRUNC};
	SHOW(syscall(SYS_openat2, r, "f", &how, sizeof how));
	return 0;
}
