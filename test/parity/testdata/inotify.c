#include "t.h"

int main(int argc, char **argv) {
	int fd = inotify_init1(IN_NONBLOCK);
	mkdir("d", 0755);
	int w = inotify_add_watch(fd, "d", IN_ALL_EVENTS);
	R(w);
	R(inotify_add_watch(fd, "none", IN_CREATE));
	R(inotify_add_watch(fd, "d", 0));
	close(open("d/f", O_CREAT | O_WRONLY, 0644));
	int f = open("d/f", O_WRONLY);
	write(f, "x", 1);
	close(f);
	chmod("d/f", 0600);
	rename("d/f", "d/g");
	unlink("d/g");
	mkdir("d/sub", 0755);
	rmdir("d/sub");
	char b[4096];
	ssize_t n = read(fd, b, sizeof b);
	for (char *p = b; p < b + n;) {
		struct inotify_event *e = (void *)p;
		printf("%x %s %d\n", e->mask, e->len ? e->name : "", e->cookie != 0);
		p += sizeof *e + e->len;
	}
	R(inotify_rm_watch(fd, w));
	R(inotify_rm_watch(fd, 99));
	R(read(fd, b, sizeof b) > 0);
	R(read(fd, b, 5));
	return 0;
}
