// Executes mutated copies of an ELF file: mutate FILE SEED COUNT.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;

static unsigned long rnd(void) {
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

int main(int argc, char **argv) {
	static unsigned char good[1 << 20], bad[1 << 20];
	int fd = open(argv[1], O_RDONLY);
	long size = read(fd, good, sizeof good), count = atol(argv[3]);
	close(fd);
	state = atol(argv[2]) * 7919 + 1;
	for (long n = 0; n < count; n++) {
		memcpy(bad, good, size);
		// Mostly the headers; now and then anywhere, or a shorter file.
		int changes = 1 + rnd() % 8;
		for (int i = 0; i < changes; i++) {
			long at = rnd() % 4 ? rnd() % 700 : rnd() % size;
			switch (rnd() % 3) {
			case 0:
				bad[at] = rnd();
				break;
			case 1:
				bad[at] ^= 1 << rnd() % 8;
				break;
			default: {
				unsigned long v = rnd() % 2 ? -1UL << rnd() % 64 : rnd();
				memcpy(bad + (at & ~7L), &v, 8);
			}
			}
		}
		long len = rnd() % 10 ? size : rnd() % size;
		unlink("/tmp/mutant");
		fd = open("/tmp/mutant", O_CREAT | O_WRONLY, 0755);
		write(fd, bad, len);
		close(fd);
		pid_t p = fork();
		if (p == 0) {
			close(0), close(1), close(2);
			alarm(2);
			execl("/tmp/mutant", "mutant", (char *)0);
			_exit(0);
		}
		waitpid(p, 0, 0);
	}
	puts("all executed");
	return 0;
}
