// utimensat and the times that calls change.
#include "show.h"
#include <sys/time.h>
#include <utime.h>

static struct timespec at, mt, ct;
static void load(void) {
	struct stat st;
	lstat("f", &st);
	at = st.st_atim, mt = st.st_mtim, ct = st.st_ctim;
}
static int later(struct timespec a, struct timespec b) { return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec); }
static void changed(const char *what) {
	struct timespec m = mt, c = ct;
	load();
	printf("%s: mtime %s ctime %s\n", what, later(mt, m) ? "moves" : "stays", later(ct, c) ? "moves" : "stays");
	ms(15);
}

int main(void) {
	put_file("f", "x");
	struct timespec t[2] = {{1000, 111}, {2000, 222}};
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	load();
	printf("%ld.%ld %ld.%ld\n", at.tv_sec, at.tv_nsec, mt.tv_sec, mt.tv_nsec);
	t[0].tv_nsec = UTIME_OMIT, t[1] = (struct timespec){3000, 5};
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	load();
	printf("%ld %ld\n", at.tv_sec, mt.tv_sec);
	t[1].tv_nsec = UTIME_NOW;
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	load();
	printf("now: %d\n", labs(mt.tv_sec - time(NULL)) <= 2);
	t[1].tv_nsec = 1000000000;
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	SHOW(utimensat(AT_FDCWD, "missing", NULL, 0));
	SHOW(utimensat(AT_FDCWD, "f", NULL, 0x77000));
	t[0] = (struct timespec){-5, 0}, t[1] = (struct timespec){-1, 999999999};
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	load();
	printf("before 1970: %ld %ld\n", at.tv_sec, mt.tv_sec);
	SHOW(utime("f", &(struct utimbuf){10, 20}));
	SHOW(utimes("f", (struct timeval[]){{30, 1}, {40, 2}}));
	load();
	printf("%ld %ld\n", at.tv_sec, mt.tv_nsec);
	int fd = MUST(open("f", O_RDWR));
	SHOW(futimens(fd, NULL));
	SHOW(symlink("f", "l"));
	t[0] = t[1] = (struct timespec){77, 0};
	SHOW(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	struct stat st;
	lstat("l", &st);
	printf("link %ld\n", st.st_mtim.tv_sec);
	load(), ms(15);
	changed("nothing");
	write(fd, "y", 1), changed("write");
	char b[4];
	pread(fd, b, 1, 0), changed("read");
	chmod("f", 0600), changed("chmod");
	link("f", "g"), changed("link");
	unlink("g"), changed("unlink");
	ftruncate(fd, 0), changed("ftruncate");
	rename("f", "h"), rename("h", "f"), changed("rename");
	pwrite(fd, "", 0, 0), changed("write of nothing");
	char *m = (mmap)(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	munmap(m, 4096), changed("mmap");
	return 0;
}
