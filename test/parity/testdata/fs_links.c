// link, unlink, symlink, readlink, rmdir and link counts.
#include "show.h"

static long links(const char *p) {
	struct stat st;
	return lstat(p, &st) ? -1 : (long)st.st_nlink;
}

int main(void) {
	char b[64];
	put_file("f", "text");
	SHOW(link("f", "g"));
	SHOW(links("f"));
	struct stat a, c;
	stat("f", &a), stat("g", &c);
	printf("one inode %d\n", a.st_ino == c.st_ino && a.st_dev == c.st_dev);
	SHOW(link("f", "g"));
	SHOW(link("missing", "x"));
	MUST(mkdir("d", 0755));
	SHOW(link("d", "dd"));
	SHOW(unlink("f"));
	SHOW(links("g"));
	SHOW(unlink("f"));
	SHOW(unlink("d"));
	SHOW(unlink("d/"));
	SHOW(unlink("g/"));
	SHOW(rmdir("g"));
	SHOW(rmdir("d/."));
	SHOW(rmdir("d/.."));
	SHOW(rmdir(".."));
	SHOW(mkdir("d/sub", 0755));
	SHOW(rmdir("d"));
	SHOW(unlinkat(AT_FDCWD, "d/sub", AT_REMOVEDIR));
	SHOW(unlinkat(AT_FDCWD, "d", 0));
	SHOW(unlinkat(AT_FDCWD, "d", 77));
	SHOW(symlink("g", "l"));
	SHOW(symlink("x", "l"));
	SHOW(symlink("", "empty"));
	SHOW(readlink("l", b, sizeof b));
	SHOW(readlink("l", b, 0));
	SHOW(readlink("g", b, sizeof b));
	SHOW(readlink("missing", b, sizeof b));
	SHOW(symlink("a long target", "m"));
	SHOW(readlink("m", b, 3));
	SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "hard-l", 0));
	SHOW(links("l"));
	SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "hard-g", AT_SYMLINK_FOLLOW));
	SHOW(links("g"));
	SHOW(linkat(AT_FDCWD, "g", AT_FDCWD, "h", 0x8000));
	symlink("loop2", "loop1"), symlink("loop1", "loop2");
	SHOW(open("loop1", O_RDONLY));
	SHOW(stat("loop1", &a));
	SHOW(lstat("loop1", &a));
	char from[8], to[8];
	put_file("s0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(to, 8, "s%d", i - 1), snprintf(from, 8, "s%d", i);
		symlink(to, from);
	}
	SHOW(access("s40", F_OK));
	SHOW(access("s41", F_OK));
	SHOW(symlink("d", "ld"));
	SHOW(lstat("ld/", &a));
	printf("a slash follows: %d\n", S_ISDIR(a.st_mode));
	SHOW(rmdir("ld"));
	SHOW(mkdir("dangling", 0755));
	SHOW(mkdir("l", 0755));
	SHOW(mkdir("g/x", 0755));
	SHOW(mkdir("x/y", 0755));
	SHOW(mkdir("trailing///", 0755));
	int fd = MUST(open("g", O_RDWR));
	SHOW(unlink("g")), SHOW(unlink("hard-g"));
	fstat(fd, &a);
	printf("links of an open, removed file %lu\n", (unsigned long)a.st_nlink);
	SHOW(pread(fd, b, 4, 0));
	int dir = MUST(open("d", O_RDONLY));
	SHOW(rmdir("d"));
	SHOW(openat(dir, "x", O_CREAT | O_WRONLY, 0644));
	return 0;
}
