// Directories: entries, types, seeking, changes while reading.
#include "show.h"
#include <dirent.h>

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void list(const char *dir) {
	struct dirent **e;
	int n = scandir(dir, &e, NULL, by_name);
	printf("%s:", dir);
	for (int i = 0; i < n; i++)
		printf(" %s(%d)", e[i]->d_name, e[i]->d_type);
	puts("");
}

struct dent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

int main(void) {
	MUST(mkdir("d", 0755));
	list("d");
	put_file("d/file", ""), symlink("x", "d/link"), mkfifo("d/fifo", 0600), mkdir("d/dir", 0755);
	list("d");
	unlink("d/file");
	list("d");
	list("missing");
	MUST(mkdir("many", 0755));
	char name[64];
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "many/entry-%d", i);
		put_file(name, "");
	}
	DIR *dir = opendir("many");
	struct dirent *e;
	int n = 0, seen[500] = {0}, k;
	long middle = 0;
	while ((e = readdir(dir))) {
		if (++n == 250)
			middle = telldir(dir);
		if (sscanf(e->d_name, "entry-%d", &k) == 1)
			seen[k]++;
	}
	int once = 1;
	for (int i = 0; i < 500; i++)
		once &= seen[i] == 1;
	printf("%d entries, each once %d\n", n, once);
	seekdir(dir, middle);
	for (n = 0; readdir(dir); n++)
		;
	printf("from the middle %d\n", n);
	rewinddir(dir);
	for (n = 0; (e = readdir(dir)); n++) {
		snprintf(name, sizeof name, "many/%s", e->d_name);
		if (e->d_name[0] != '.')
			unlink(name);
	}
	printf("removed while reading %d\n", n);
	closedir(dir);
	list("many");
	int fd = MUST(open("d", O_RDONLY));
	char b[4096];
	SHOW(syscall(SYS_getdents64, fd, b, 10));
	long got = syscall(SYS_getdents64, fd, b, sizeof b), pos = 0;
	int aligned = 1, inodes = 1;
	while (pos < got) {
		struct dent *d = (void *)(b + pos);
		aligned &= d->len % 8 == 0;
		struct stat st;
		if (strcmp(d->name, "..") && fstatat(fd, d->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			inodes &= st.st_ino == d->ino;
		pos += d->len;
	}
	printf("records aligned %d, inodes right %d\n", aligned, inodes);
	SHOW(syscall(SYS_getdents64, fd, b, sizeof b));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents64, fd, b, sizeof b) > 0);
	SHOW(syscall(SYS_getdents64, 1, b, sizeof b));
	SHOW(syscall(SYS_getdents64, 99, b, sizeof b));
	lseek(fd, 0, SEEK_SET);
	SHOW(read(fd, b, 10));
	SHOW(write(fd, b, 10));
	SHOW(syscall(SYS_getdents64, MUST(open("d", O_PATH)), b, sizeof b));
	unlink("d/link"), unlink("d/fifo"), rmdir("d/dir"), rmdir("d");
	lseek(fd, 0, SEEK_SET);
	SHOW(syscall(SYS_getdents64, fd, b, sizeof b));
	return 0;
}
