// rename and renameat2.
#include "show.h"

int main(void) {
	put_file("a", "A"), put_file("b", "B");
	MUST(mkdir("d", 0755)), MUST(mkdir("e", 0755)), MUST(mkdir("full", 0755));
	put_file("full/x", "x");
	SHOW(rename("a", "c"));
	cat_file("a"), cat_file("c");
	SHOW(rename("c", "b"));
	cat_file("b");
	SHOW(rename("missing", "x"));
	SHOW(rename("b", "d"));
	SHOW(rename("d", "b"));
	SHOW(rename("d", "full"));
	SHOW(rename("d", "e"));
	SHOW(rename("e", "e/inside"));
	SHOW(rename("full", "full/deep/er"));
	SHOW(rename("full/x", "full"));
	SHOW(rename("b", "b"));
	SHOW(rename("b", "nodir/b"));
	SHOW(rename("b", "full/x/y"));
	SHOW(rename("e", "e2/"));
	SHOW(rename("b", "b2/"));
	SHOW(rename("e2/.", "e3"));
	SHOW(rename("e2", ".."));
	SHOW(rename("", "x"));
	put_file("one", "1"), put_file("two", "2");
	SHOW(renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "one", AT_FDCWD, "three", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "three", AT_FDCWD, "two", RENAME_EXCHANGE));
	cat_file("two"), cat_file("three");
	SHOW(renameat2(AT_FDCWD, "three", AT_FDCWD, "full", RENAME_EXCHANGE));
	cat_file("full"), cat_file("three/x");
	SHOW(renameat2(AT_FDCWD, "three", AT_FDCWD, "none", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "two", AT_FDCWD, "x", 64));
	SHOW(renameat2(AT_FDCWD, "two", AT_FDCWD, "x", RENAME_NOREPLACE | RENAME_EXCHANGE));
	SHOW(link("two", "same"));
	SHOW(rename("two", "same")); // both stay: they are one file
	SHOW(access("two", F_OK));
	int fd = MUST(open("two", O_RDONLY));
	put_file("new", "new");
	SHOW(rename("new", "two"));
	struct stat st;
	fstat(fd, &st);
	printf("links of the old file %lu\n", (unsigned long)st.st_nlink);
	symlink("two", "l");
	SHOW(rename("l", "l2"));
	char b[16] = {0};
	SHOW(readlink("l2", b, 15));
	int dir = MUST(open("three", O_RDONLY));
	SHOW(renameat(dir, "x", AT_FDCWD, "out"));
	SHOW(renameat(99, "x", AT_FDCWD, "y"));
	SHOW(renameat(fd, "x", AT_FDCWD, "y"));
	return 0;
}
