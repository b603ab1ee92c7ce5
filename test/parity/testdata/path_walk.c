#include "t.h"

int main(int argc, char **argv) {
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	spew("a/b/f", "deep");
	show("a/./b//../b/f");
	symlink("a/b", "l");
	show("l/f");
	symlink("l2", "l1");
	symlink("l1", "l2");
	R(open("l1", O_RDONLY));
	R(open("a/b/f/", O_RDONLY));
	R(open("a/b/f/..", O_RDONLY));
	R(chdir("l"));
	char b[4096];
	printf("%s\n", strrchr(getcwd(b, 4096), '/'));
	R(chdir(".."));
	printf("%s\n", strrchr(getcwd(b, 4096), '/'));
	R(getcwd(b, 2) == 0 ? errno : 0);
	R(chdir("b/f"));
	R(chdir("none"));
	int d = open("b", O_RDONLY);
	R(fchdir(d));
	R(openat(d, "f", O_RDONLY) >= 0);
	R(openat(99, "f", O_RDONLY));
	R(openat(open("f", O_RDONLY), "x", O_RDONLY));
	chdir("/");
	show("../../../../etc/hostname-none");
	char n[45][8];
	chdir("/tmp");
	R(open("/../..", O_RDONLY | O_DIRECTORY) >= 0);
	chmod("/", 0755);
	CHILD("search permission", {
		mkdir("/tmp/np", 0700);
		setuid(1234);
		R(open("/tmp/np/x", O_RDONLY));
	});
	return 0;
}
