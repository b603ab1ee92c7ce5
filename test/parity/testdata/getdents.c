#include "t.h"

int main(int argc, char **argv) {
	for (int i = 0; i < 300; i++) {
		char n[20];
		sprintf(n, "file%d", i);
		close(open(n, O_CREAT, 0644));
	}
	mkdir("dir", 0755);
	symlink("x", "link");
	mkfifo("fifo", 0644);
	DIR *d = opendir(".");
	struct dirent *e;
	int n = 0, types[16] = {0};
	while ((e = readdir(d))) {
		n++;
		types[e->d_type]++;
		struct stat s;
		fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW);
		if (strcmp(e->d_name, "..") && s.st_ino != e->d_ino)
			printf("%s: inode differs\n", e->d_name);
		if (n % 2 && !strncmp(e->d_name, "file", 4))
			unlink(e->d_name);
	}
	printf("%d reg %d dir %d lnk %d fifo %d\n", n, types[DT_REG], types[DT_DIR], types[DT_LNK], types[DT_FIFO]);
	rewinddir(d);
	n = 0;
	while ((e = readdir(d)))
		n++;
	printf("%d\n", n > 100 && n < 200);
	char b[10];
	int fd = open(".", O_RDONLY);
	R(syscall(SYS_getdents64, fd, b, 10));
	R(syscall(SYS_getdents64, open("link", O_PATH | O_NOFOLLOW), b, 10));
	R(syscall(SYS_getdents64, 0, b, 10));
	R(read(fd, b, 10));
	return 0;
}
