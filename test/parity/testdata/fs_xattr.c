// Extended attributes.
// needs: root
#include "show.h"
#include <sys/xattr.h>

int main(void) {
	char b[256];
	put_file("f", "x");
	SHOW(setxattr("f", "user.one", "value", 5, 0));
	SHOW(getxattr("f", "user.one", b, sizeof b));
	printf("%.5s\n", b);
	SHOW(getxattr("f", "user.one", NULL, 0));
	SHOW(getxattr("f", "user.one", b, 2));
	SHOW(getxattr("f", "user.none", b, sizeof b));
	SHOW(setxattr("f", "user.one", "x", 1, XATTR_CREATE));
	SHOW(setxattr("f", "user.two", "x", 1, XATTR_REPLACE));
	SHOW(setxattr("f", "user.two", "", 0, XATTR_CREATE));
	SHOW(listxattr("f", NULL, 0) >= 18);
	int n = listxattr("f", b, sizeof b), found = 0;
	for (char *p = b; p < b + n; p += strlen(p) + 1)
		found += !strcmp(p, "user.one") || !strcmp(p, "user.two");
	printf("both listed: %d\n", found);
	SHOW(listxattr("f", b, 3));
	SHOW(removexattr("f", "user.two"));
	SHOW(removexattr("f", "user.two"));
	SHOW(setxattr("f", "nonsense", "x", 1, 0));
	SHOW(setxattr("f", "user.", "x", 1, 0));
	SHOW(setxattr("f", "", "x", 1, 0));
	SHOW(setxattr("f", "user.x", "x", 1, 9));
	char *big = calloc(1, 70000);
	SHOW(setxattr("f", "user.big", big, 65537, 0));
	memset(big, 'n', 300), memcpy(big, "user.", 5);
	SHOW(setxattr("f", big, "x", 1, 0));
	SHOW(setxattr("missing", "user.x", "x", 1, 0));
	symlink("f", "l"), symlink("nowhere", "dangling");
	SHOW(getxattr("l", "user.one", b, sizeof b));
	SHOW(lgetxattr("l", "user.one", b, sizeof b));
	SHOW(lsetxattr("dangling", "user.x", "x", 1, 0));
	int fd = MUST(open("f", O_RDONLY));
	SHOW(fgetxattr(fd, "user.one", b, sizeof b));
	SHOW(fsetxattr(fd, "user.three", "3", 1, 0));
	SHOW(fremovexattr(fd, "user.three"));
	SHOW(flistxattr(99, b, sizeof b));
	SHOW(setxattr("f", "trusted.t", "x", 1, 0));
	SHOW(getxattr("f", "trusted.t", b, sizeof b));
	mkdir("d", 0755);
	SHOW(setxattr("d", "user.dir", "x", 1, 0));
	FORK("user", {
		chmod("f", 0444);
		MUST(setuid(1000));
		SHOW(getxattr("f", "user.one", b, sizeof b));
		SHOW(setxattr("f", "user.one", "y", 1, 0));
		SHOW(setxattr("f", "trusted.t", "y", 1, 0));
		SHOW(getxattr("f", "trusted.t", b, sizeof b));
		SHOW(getxattr("f", "security.none", b, sizeof b));
	});
	return 0;
}
