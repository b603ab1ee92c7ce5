#include "t.h"

int main(int argc, char **argv) {
	spew("a", "A");
	R(link("a", "b"));
	R(link("a", "b"));
	struct stat s;
	stat("a", &s);
	printf("%d\n", (int)s.st_nlink);
	R(unlink("a"));
	R(unlink("a"));
	show("b");
	mkdir("d", 0755);
	R(link("d", "e"));
	R(unlink("d"));
	R(rmdir("b"));
	spew("d/x", "");
	R(rmdir("d"));
	R(unlink("d/x"));
	int fd = open("d", O_RDONLY | O_DIRECTORY);
	R(rmdir("d"));
	R(openat(fd, "y", O_CREAT | O_RDWR, 0600));
	fstat(fd, &s);
	printf("%d\n", (int)s.st_nlink);
	R(rmdir("."));
	R(rmdir("/"));
	R(mkdir("b", 0755));
	R(mkdir("m/n", 0755));
	R(mkdir("mm/", 0755));
	R(rmdir("mm/"));
	R(symlink("", "s"));
	R(symlink("t", "s"));
	R(symlink("t", "s"));
	char b[10];
	R(readlink("s", b, 10));
	R(readlink("b", b, 10));
	R(readlink("s", b, 0));
	R(linkat(AT_FDCWD, "s", AT_FDCWD, "s2", 0));
	R(readlink("s2", b, 10));
	R(unlinkat(AT_FDCWD, "s2", 0x1000));
	fd = open("b", O_RDWR);
	R(unlink("b"));
	fstat(fd, &s);
	printf("%d\n", (int)s.st_nlink);
	R(read(fd, b, 10));
	return 0;
}
