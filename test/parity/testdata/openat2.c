#include "t.h"

int main(int argc, char **argv) {
	mkdir("d", 0755);
	spew("d/f", "x");
	spew("out", "y");
	symlink("../out", "d/up");
	symlink("/etc/passwd", "d/abs");
	symlink("f", "d/in");
	int d = open("d", O_PATH | O_DIRECTORY);
	uint64_t res[] = {0, 0x08, 0x10, 0x04, 0x02, 0x01};
	const char *names[] = {"f", "in", "up", "abs", "../out", "/etc/passwd", "."};
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 7; j++) {
			if (i == 5 && j == 3)
				continue; // whether it is another mount depends on where this runs
			struct { uint64_t flags, mode, resolve; } h = {O_RDONLY, 0, res[i]};
			int fd = syscall(SYS_openat2, d, names[j], &h, sizeof h);
			printf("%lx %s %s\n", (long)res[i], names[j], fd < 0 ? strerrorname_np(errno) : "ok");
			if (fd >= 0)
				close(fd);
		}
	struct { uint64_t flags, mode, resolve, more; } h = {O_RDONLY, 0, 0, 1};
	R(syscall(SYS_openat2, d, "f", &h, sizeof h));
	R(syscall(SYS_openat2, d, "f", &h, 8));
	h.more = 0, h.mode = 0644;
	R(syscall(SYS_openat2, d, "f", &h, 24));
	return 0;
}
