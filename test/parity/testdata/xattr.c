#include "t.h"

int main(int argc, char **argv) {
	spew("f", "x");
	char b[100];
	R(setxattr("f", "user.a", "value", 5, 0));
	R(setxattr("f", "user.a", "v2", 2, XATTR_CREATE));
	R(setxattr("f", "user.b", "v2", 2, XATTR_REPLACE));
	R(getxattr("f", "user.a", b, 100));
	R(getxattr("f", "user.a", b, 2));
	R(getxattr("f", "user.a", 0, 0));
	R(getxattr("f", "user.none", b, 100));
	R(getxattr("f", "bogus", b, 100));
	R(setxattr("f", "user.b", "", 0, 0));
	R(listxattr("f", b, 100));
	R(listxattr("f", b, 3));
	R(removexattr("f", "user.a"));
	R(removexattr("f", "user.a"));
	symlink("f", "l");
	R(lsetxattr("l", "user.a", "x", 1, 0));
	R(setxattr("none", "user.a", "x", 1, 0));
	R(fgetxattr(open("f", O_RDONLY), "user.b", b, 100));
	return 0;
}
