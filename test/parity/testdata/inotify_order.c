// inotify: which events come, in which order, and their names.
#include "show.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>

static int in;
static void events(const char *what) {
	char b[8192] __attribute__((aligned(8)));
	ssize_t n = read(in, b, sizeof b);
	printf("%s:", what);
	uint32_t cookie = 0;
	for (ssize_t i = 0; i < n;) {
		struct inotify_event *e = (void *)(b + i);
		printf(" [%d %x %s%s]", e->wd, e->mask, e->len ? e->name : "", e->cookie && e->cookie == cookie ? " same cookie" : "");
		if (e->cookie)
			cookie = e->cookie;
		i += sizeof *e + e->len;
	}
	puts("");
}

int main(void) {
	in = SHOW(inotify_init1(IN_NONBLOCK));
	char b[10];
	SHOW(read(in, b, 10));
	mkdir("d", 0755), put_file("d/old", "x");
	SHOW(inotify_add_watch(in, "d", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(in, "d/old", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(in, "missing", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(in, "d", 0));
	SHOW(inotify_add_watch(0, "d", IN_OPEN));
	SHOW(inotify_add_watch(in, "d/old", IN_ALL_EVENTS | IN_ONLYDIR));
	int fd = open("d/new", O_CREAT | O_RDWR, 0644);
	events("create");
	write(fd, "abc", 3), events("write");
	pread(fd, b, 3, 0), events("read");
	close(fd), events("close");
	close(open("d/old", O_RDONLY)), events("open and close");
	chmod("d/old", 0600), events("chmod");
	rename("d/new", "d/renamed"), events("rename");
	rename("d/renamed", "out"), events("move out");
	rename("out", "d/back"), events("move in");
	mkdir("d/sub", 0755), events("mkdir");
	rmdir("d/sub"), events("rmdir");
	link("d/old", "d/hard"), events("link");
	truncate("d/back", 1), events("truncate");
	unlink("d/hard"), events("unlink one of two names");
	unlink("d/old"), events("unlink the last");
	SHOW(inotify_rm_watch(in, 1)), events("watch removed");
	SHOW(inotify_rm_watch(in, 1));
	SHOW(inotify_add_watch(in, "d", IN_CREATE | IN_ONESHOT));
	put_file("d/a", ""), put_file("d/b", ""), events("one shot");
	SHOW(inotify_add_watch(in, "d", IN_CREATE));
	SHOW(inotify_add_watch(in, "d", IN_DELETE | IN_MASK_ADD));
	put_file("d/c", ""), unlink("d/c"), events("mask added");
	for (int i = 0; i < 3; i++) {
		int x = open("d/back", O_WRONLY);
		close(x);
	}
	events("not watched");
	put_file("d/n", "");
	int n;
	SHOW(ioctl(in, FIONREAD, &n));
	printf("bytes %d\n", n);
	SHOW(read(in, b, 10));
	unlink("d/n"), unlink("d/a"), unlink("d/b"), unlink("d/back"), rmdir("d"), events("removed");
	SHOW(inotify_init1(77));
	return 0;
}
