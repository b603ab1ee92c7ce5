// Working directories and roots: getcwd, chdir, fchdir, chroot, removed
// directories, dots.
// needs: root
#include "show.h"

static char top[4096];

static void cwd(void) {
	char b[4096];
	long n = syscall(SYS_getcwd, b, sizeof b);
	if (n < 0)
		printf("cwd: %s\n", strerrorname_np(errno));
	else
		printf("cwd: %s\n", strncmp(b, top, strlen(top)) ? b : b + strlen(top));
}

int main(void) {
	char b[16];
	getcwd(top, sizeof top);
	SHOW(syscall(SYS_getcwd, b, 1));
	SHOW(mkdir("a", 0755)), SHOW(mkdir("a/b", 0755)), put_file("a/f", "f");
	symlink("a/b", "s");
	SHOW(chdir("a/./b/../../a//b/")), cwd();
	SHOW(chdir("missing"));
	SHOW(chdir("../f"));
	SHOW(chdir("")), cwd();
	SHOW(chdir("../..")), SHOW(chdir("s")), cwd();
	SHOW(chdir("..")), cwd();
	int here = MUST(open(".", O_RDONLY)), file = MUST(open("f", O_RDONLY));
	SHOW(fchdir(file));
	SHOW(fchdir(99));
	SHOW(chdir("/")), cwd();
	SHOW(chdir("/..")), cwd();
	SHOW(fchdir(here)), cwd();
	SHOW(mkdir("gone", 0755)), SHOW(chdir("gone")), SHOW(rmdir("../gone")), cwd();
	SHOW(access(".", F_OK));
	SHOW(access("..", F_OK));
	SHOW(mkdir("x", 0755));
	SHOW(open("x", O_CREAT | O_WRONLY, 0644));
	SHOW(chdir("..")), cwd();
	SHOW(mkdir("was", 0755)), SHOW(chdir("was")), SHOW(rename("../was", "../is")), cwd();
	SHOW(chdir(top));
	FORK("chroot", {
		int outside = MUST(open(".", O_RDONLY));
		SHOW(chroot("a"));
		SHOW(access("/f", F_OK));
		char c[4096];
		SHOW(syscall(SYS_getcwd, c, sizeof c) > 0);
		printf("outside the root: %d\n", !strncmp(c, "(unreachable)", 13));
		SHOW(chdir("/")), cwd();
		SHOW(chdir("../../..")), cwd();
		SHOW(access("/../f", F_OK));
		symlink("/f", "abs");
		SHOW(access("/abs", F_OK));
		SHOW(faccessat(outside, "a", F_OK, 0));
	});
	SHOW(chroot("a/f"));
	SHOW(chroot("missing"));
	SHOW(access("a/f/..", F_OK));
	SHOW(access("a/missing/..", F_OK));
	SHOW(access("a/f/.", F_OK));
	SHOW(access("/proc/self/cwd/a", F_OK));
	SHOW(access("/proc/self/root/proc", F_OK));
	return 0;
}
