#include "t.h"

int main(int argc, char **argv) {
	spew("f", "0123456789");
	struct stat s;
	R(stat("f", &s));
	printf("%o %d %ld %d\n", s.st_mode, (int)s.st_nlink, (long)s.st_size, s.st_uid == getuid());
	mkdir("d", 01777);
	stat("d", &s);
	printf("%o\n", s.st_mode);
	stat("/dev/null", &s);
	printf("%o %d %d\n", s.st_mode, (int)(s.st_rdev >> 8), (int)(s.st_rdev & 255));
	R(stat("none", &s));
	R(stat("f/x", &s));
	R(fstat(99, &s));
	R(fstatat(AT_FDCWD, "", &s, AT_EMPTY_PATH));
	R(fstatat(AT_FDCWD, "f", &s, 0x8000000));
	R(stat("f", (void *)8));
	struct statx x;
	R(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	printf("%o %d\n", x.stx_mode, (int)x.stx_size);
	R(statx(AT_FDCWD, "f", 0, 0x80000000, &x));
	R(statx(AT_FDCWD, "f", 0x70000000, 1, &x));
	symlink("f", "l");
	lstat("l", &s);
	printf("%o %ld\n", s.st_mode, (long)s.st_size);
	R(faccessat(AT_FDCWD, "f", R_OK, 0));
	R(access("f", 99));
	R(access("f/", F_OK));
	return 0;
}
