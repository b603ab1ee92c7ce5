// Permissions: chmod, umask, chown, access, sticky and set-group directories,
// as root and as somebody else.
// needs: root
#include "show.h"
#include <grp.h>

static long mode(const char *p) {
	struct stat st;
	if (lstat(p, &st))
		return -1;
	printf("%s: %o %d:%d\n", p, st.st_mode, st.st_uid, st.st_gid);
	return 0;
}

static void become(int uid, int gid) {
	MUST(setgroups(0, NULL));
	MUST(setresgid(gid, gid, gid));
	MUST(setresuid(uid, uid, uid));
}

int main(void) {
	put_file("f", "x");
	SHOW(chmod("f", 0640)), mode("f");
	SHOW(chmod("f", 07777)), mode("f");
	SHOW(chown("f", 1000, 1001)), mode("f");
	SHOW(chmod("f", 06755)), mode("f");
	SHOW(chown("f", -1, 5)), mode("f");
	SHOW(chmod("missing", 0644));
	SHOW(fchmodat(AT_FDCWD, "f", 0600, 0)), mode("f");
	SHOW(lchown("f", 0, 0));
	printf("umask was %o\n", umask(027));
	put_file("u", ""), mode("u");
	mkdir("ud", 0777), mode("ud");
	printf("umask was %o\n", umask(022));
	mkdir("sg", 0755), SHOW(chown("sg", 0, 50)), SHOW(chmod("sg", 02775)), mode("sg");
	put_file("sg/file", ""), mode("sg/file");
	mkdir("sg/dir", 0755), mode("sg/dir");
	mkdir("sticky", 0777), chmod("sticky", 01777);
	put_file("sticky/root", ""), put_file("locked", "x"), chmod("locked", 0600);
	put_file("readable", "x"), chmod("readable", 0644), put_file("s", "x"), chown("s", 1000, 1000), chmod("s", 06777);
	mkdir("closed", 0700), put_file("closed/in", "x"), mkdir("x-only", 0711), put_file("x-only/in", "x");
	chmod(".", 0777);
	SHOW(access("locked", R_OK | W_OK));
	SHOW(access("locked", X_OK));
	SHOW(access("f", 9));
	FORK("user 1000", {
		become(1000, 1000);
		SHOW(open("locked", O_RDONLY));
		SHOW(open("readable", O_RDWR));
		SHOW(open("readable", O_RDONLY) > 0);
		SHOW(access("locked", R_OK));
		SHOW(access("readable", W_OK));
		SHOW(faccessat(AT_FDCWD, "readable", R_OK, AT_EACCESS));
		SHOW(chmod("locked", 0666));
		SHOW(chown("locked", 1000, 1000));
		SHOW(chown("s", 0, -1));
		SHOW(chown("s", -1, 50));
		SHOW(unlink("sticky/root"));
		SHOW(rename("sticky/root", "sticky/mine"));
		put_file("sticky/own", "");
		SHOW(unlink("sticky/own"));
		SHOW(access("closed/in", F_OK));
		SHOW(open("closed", O_RDONLY));
		SHOW(access("x-only/in", R_OK));
		SHOW(open("x-only", O_RDONLY));
		SHOW(mkdir("x-only/new", 0755));
		SHOW(unlink("x-only/in"));
		SHOW(write(open("s", O_WRONLY), "y", 1));
		mode("s");
		SHOW(utimensat(AT_FDCWD, "locked", NULL, 0));
		SHOW(truncate("readable", 0));
		SHOW(mknod("dev", S_IFCHR | 0600, 0x103));
		SHOW(mknod("fifo", S_IFIFO | 0600, 0));
		SHOW(chroot("."));
		SHOW(link("readable", "mine"));
		SHOW(execl("./readable", "x", NULL));
	});
	FORK("real and effective", {
		MUST(setresuid(1000, 0, 0));
		SHOW(access("locked", R_OK));
		SHOW(faccessat(AT_FDCWD, "locked", R_OK, AT_EACCESS));
		SHOW(open("locked", O_RDONLY) > 0);
	});
	FORK("groups", {
		gid_t g = 50;
		MUST(setgroups(1, &g));
		MUST(setresuid(1000, 1000, 1000));
		put_file("sg/grouped", "");
		mode("sg/grouped");
		SHOW(getgroups(0, NULL));
	});
	return 0;
}
