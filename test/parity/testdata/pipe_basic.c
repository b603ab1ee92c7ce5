// Pipes: atomic writes, ends, sizes, flags, FIFOs.
#include "show.h"
#include <sys/ioctl.h>

int main(void) {
	int p[2], n;
	char b[70000];
	memset(b, 'b', sizeof b);
	SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	printf("fds %d %d flags %x %x\n", p[0], p[1], fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL));
	SHOW(pipe2(p, 0x1234));
	MUST(pipe2(p, O_NONBLOCK));
	SHOW(read(p[0], b, 10));
	SHOW(write(p[1], b, 0));
	SHOW(write(p[1], b, 65530));
	SHOW(write(p[1], b, 4096)); // atomic: all or nothing
	SHOW(write(p[1], b, 5000));
	SHOW(ioctl(p[0], FIONREAD, &n));
	printf("in it: %d\n", n);
	SHOW(read(p[0], b, 70000));
	SHOW(write(p[1], b, 70000));
	SHOW(fcntl(p[1], F_GETPIPE_SZ));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 100));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 200000));
	SHOW(write(p[1], b, 70000));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
	SHOW(write(p[0], "x", 1));
	SHOW(read(p[1], b, 1));
	SHOW(lseek(p[0], 0, SEEK_CUR));
	SHOW(pread(p[0], b, 1, 0));
	SHOW(pwrite(p[1], b, 1, 0));
	SHOW(ftruncate(p[1], 0));
	SHOW(fsync(p[1]));
	close(p[1]);
	while (read(p[0], b, sizeof b) > 0)
		;
	SHOW(read(p[0], b, 1));
	MUST(pipe(p));
	close(p[0]);
	FORK("SIGPIPE", write(p[1], "x", 1));
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(p[1], "x", 1));
	MUST(pipe2(p, O_DIRECT));
	write(p[1], "one", 3);
	write(p[1], "three", 5);
	SHOW(read(p[0], b, 2));
	SHOW(read(p[0], b, 100));
	SHOW(mkfifo("fifo", 0600));
	SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
	int r = SHOW(open("fifo", O_RDONLY | O_NONBLOCK));
	SHOW(read(r, b, 1));
	int w = SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
	SHOW(read(r, b, 1));
	SHOW(write(w, "hello", 5));
	SHOW(read(r, b, 100));
	close(w);
	SHOW(read(r, b, 100));
	close(r);
	FORK("both ends wait for each other", {
		if (fork() == 0) {
			ms(20);
			int x = open("fifo", O_WRONLY);
			write(x, "rendezvous", 10);
			_exit(0);
		}
		int x = open("fifo", O_RDONLY);
		SHOW(read(x, b, 100));
		wait(NULL);
	});
	struct stat st;
	fstat(p[0], &st);
	printf("a pipe is a fifo: %d, blksize %ld\n", S_ISFIFO(st.st_mode), (long)st.st_blksize);
	// Many writers, each line whole.
	MUST(pipe(p));
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			char line[512];
			memset(line, 'a' + i, sizeof line);
			for (int k = 0; k < 200; k++)
				write(p[1], line, sizeof line);
			_exit(0);
		}
	close(p[1]);
	int mixed = 0, count[4] = {0};
	for (;;) {
		char line[512];
		size_t have = 0;
		ssize_t k = 0;
		while (have < sizeof line && (k = read(p[0], line + have, sizeof line - have)) > 0)
			have += k;
		if (have < sizeof line)
			break;
		for (int i = 0; i < 512; i++)
			mixed += line[i] != line[0];
		count[line[0] - 'a']++;
	}
	printf("mixed %d counts %d %d %d %d\n", mixed, count[0], count[1], count[2], count[3]);
	return 0;
}
