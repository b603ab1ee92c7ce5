#include "t.h"

int main(int argc, char **argv) {
	spew("f", "x");
	struct stat s;
	R(chmod("f", 06755));
	stat("f", &s);
	printf("%o\n", s.st_mode);
	R(chown("f", 1000, 1000));
	stat("f", &s);
	printf("%o %d %d\n", s.st_mode, s.st_uid, s.st_gid);
	R(chown("f", -1, 5));
	stat("f", &s);
	printf("%d %d\n", s.st_uid, s.st_gid);
	chmod("f", 04755);
	int fd = open("f", O_WRONLY);
	write(fd, "y", 1);
	stat("f", &s);
	printf("%o\n", s.st_mode);
	mkdir("d", 0755);
	chown("d", 0, 7);
	chmod("d", 02755);
	mkdir("d/sub", 0755);
	spew("d/file", "");
	stat("d/sub", &s);
	printf("%o %d\n", s.st_mode, s.st_gid);
	stat("d/file", &s);
	printf("%o %d\n", s.st_mode, s.st_gid);
	CHILD("as a user", {
		setgid(2000);
		setuid(2000);
		R(chmod("f", 0));
		R(chown("f", 2000, -1));
		R(open("f", O_WRONLY));
		R(open("new", O_CREAT, 0600));
		R(unlink("f"));
		R(access("f", R_OK));
		R(mkdir("d/x", 0755));
	});
	R(fchmodat(AT_FDCWD, "none", 0, 0));
	R(lchown("none", 0, 0));
	return 0;
}
