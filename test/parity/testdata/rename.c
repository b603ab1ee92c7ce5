#include "t.h"

int main(int argc, char **argv) {
	spew("a", "A");
	spew("b", "B");
	R(rename("a", "b"));
	show("b");
	R(rename("a", "b"));
	mkdir("d", 0755);
	mkdir("e", 0755);
	spew("e/x", "X");
	R(rename("b", "d"));
	R(rename("d", "b"));
	R(rename("d", "e"));
	R(rename("e", "d"));
	R(rename("d", "d/sub"));
	R(rename(".", "x"));
	R(rename("d/..", "x"));
	link("b", "c");
	R(rename("b", "c"));
	R(access("b", F_OK));
	R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "c", 1));
	spew("q", "Q");
	R(syscall(SYS_renameat2, AT_FDCWD, "q", AT_FDCWD, "b", 2));
	show("q");
	show("b");
	R(syscall(SYS_renameat2, AT_FDCWD, "q", AT_FDCWD, "nothing", 2));
	R(syscall(SYS_renameat2, AT_FDCWD, "q", AT_FDCWD, "b", 3));
	R(rename("b/", "z"));
	R(rename("d", "z/"));
	R(rename("/proc/self/status", "p"));
	return 0;
}
