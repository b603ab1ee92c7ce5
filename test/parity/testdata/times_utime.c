#include "t.h"

int main(int argc, char **argv) {
	spew("f", "x");
	struct timespec t[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
	R(utimensat(AT_FDCWD, "f", t, 0));
	struct stat s;
	stat("f", &s);
	printf("%ld.%ld %ld.%ld\n", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_nsec = UTIME_NOW;
	R(utimensat(AT_FDCWD, "f", t, 0));
	stat("f", &s);
	printf("%ld %d\n", s.st_atim.tv_sec, time(0) - s.st_mtim.tv_sec < 100);
	t[0].tv_nsec = -5;
	R(utimensat(AT_FDCWD, "f", t, 0));
	R(utimensat(AT_FDCWD, "none", 0, 0));
	symlink("f", "l");
	t[0] = (struct timespec){5, 0}, t[1] = (struct timespec){6, 0};
	R(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	lstat("l", &s);
	printf("%ld\n", s.st_mtim.tv_sec);
	struct timespec before = s.st_ctim;
	chmod("f", 0600);
	stat("f", &s);
	printf("%d\n", s.st_ctim.tv_sec > 1000);
	R(futimens(open("f", O_RDONLY), 0));
	return 0;
}
