// open: flags, modes and errors.
#include "show.h"

int main(void) {
	char b[32] = {0};
	SHOW(open("missing", O_RDONLY));
	int fd = SHOW(open("f", O_CREAT | O_EXCL | O_WRONLY, 0640));
	SHOW(open("f", O_CREAT | O_EXCL | O_WRONLY, 0640));
	SHOW(read(fd, b, 1));
	SHOW(write(fd, "hello", 5));
	int app = SHOW(open("f", O_APPEND | O_RDWR));
	SHOW(lseek(app, 0, SEEK_SET));
	SHOW(write(app, " you", 4));
	SHOW(pwrite(app, "!", 1, 0)); // O_APPEND wins
	cat_file("f");
	SHOW(open("f", O_TRUNC | O_WRONLY));
	cat_file("f");
	SHOW(open("f", O_DIRECTORY));
	SHOW(open(".", O_WRONLY));
	SHOW(open(".", O_CREAT, 0644));
	SHOW(open("f/x", O_RDONLY));
	SHOW(open("f/", O_RDONLY));
	SHOW(open("new/", O_CREAT | O_WRONLY, 0644));
	SHOW(open("", O_RDONLY));
	SHOW(mkdir("d", 0755));
	SHOW(open("d", O_RDONLY | O_DIRECTORY));
	SHOW(open("d", O_DIRECTORY | O_CREAT, 0755));
	SHOW(symlink("f", "l"));
	SHOW(symlink("nowhere", "dangling"));
	SHOW(open("l", O_NOFOLLOW));
	SHOW(open("l", O_NOFOLLOW | O_PATH));
	SHOW(open("dangling", O_RDONLY));
	SHOW(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
	SHOW(open("dangling", O_CREAT | O_WRONLY, 0644));
	SHOW(access("nowhere", F_OK));
	int t = SHOW(open(".", O_TMPFILE | O_RDWR, 0600));
	if (t >= 0) {
		SHOW(write(t, "anonymous", 9));
		struct stat st;
		fstat(t, &st);
		printf("links %lu\n", (unsigned long)st.st_nlink);
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", t);
		SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
		cat_file("named");
	}
	SHOW(open(".", O_TMPFILE | O_RDONLY, 0600));
	SHOW(openat(99, "f", O_RDONLY));
	SHOW(openat(fd, "f", O_RDONLY));
	SHOW(openat(99, "/etc/passwd", O_RDONLY) > 0);
	SHOW(openat(MUST(open("d", O_PATH)), "../f", O_RDONLY) > 0);
	char longname[300];
	memset(longname, 'n', 299), longname[299] = 0;
	SHOW(open(longname, O_CREAT | O_WRONLY, 0644));
	char *path = malloc(5000);
	memset(path, '/', 4999), path[4999] = 0;
	SHOW(open(path, O_RDONLY));
	path[4000] = 0;
	SHOW(open(path, O_RDONLY) > 0);
	SHOW(open("f", O_RDONLY | 0x40000000) > 0);
	SHOW(creat("c", 0604));
	struct stat st;
	stat("c", &st);
	printf("mode %o\n", st.st_mode);
	SHOW(open("f", O_ACCMODE) > 0);
	return 0;
}
