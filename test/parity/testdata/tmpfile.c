#include "t.h"

int main(int argc, char **argv) {
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	R(fd >= 0);
	R(write(fd, "secret", 6));
	struct stat s;
	fstat(fd, &s);
	printf("%d %o\n", (int)s.st_nlink, s.st_mode);
	char path[64];
	sprintf(path, "/proc/self/fd/%d", fd);
	R(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	show("named");
	fstat(fd, &s);
	printf("%d\n", (int)s.st_nlink);
	R(open(".", O_TMPFILE | O_RDONLY, 0600));
	return 0;
}
