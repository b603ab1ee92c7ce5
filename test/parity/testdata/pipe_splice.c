// splice, tee, vmsplice, sendfile, copy_file_range.
#include "show.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

int main(void) {
	int p[2], q[2];
	char b[100] = {0};
	MUST(pipe2(p, O_NONBLOCK));
	MUST(pipe2(q, O_NONBLOCK));
	put_file("f", "the quick brown fox jumps");
	int f = MUST(open("f", O_RDWR));
	loff_t off = 4;
	SHOW(splice(f, &off, p[1], NULL, 5, 0));
	printf("offset %ld\n", (long)off);
	SHOW(tee(p[0], q[1], 100, 0));
	SHOW(read(q[0], b, 100));
	puts(b);
	int o = MUST(open("out", O_RDWR | O_CREAT, 0644));
	SHOW(splice(p[0], NULL, o, NULL, 100, 0));
	cat_file("out");
	SHOW(splice(p[0], NULL, o, NULL, 100, SPLICE_F_NONBLOCK));
	SHOW(splice(f, NULL, o, NULL, 5, 0));
	SHOW(splice(p[0], &off, o, NULL, 5, 0));
	SHOW(splice(p[0], NULL, p[1], NULL, 5, 0));
	SHOW(splice(f, NULL, p[1], NULL, 5, 0xff));
	SHOW(tee(f, p[1], 5, 0));
	SHOW(splice(f, NULL, p[1], NULL, 9, 0));
	SHOW(splice(p[0], NULL, q[1], NULL, 4, 0));
	memset(b, 0, sizeof b);
	SHOW(read(q[0], b, 100));
	puts(b);
	struct iovec v = {"from memory", 11};
	SHOW(vmsplice(q[1], &v, 1, 0));
	memset(b, 0, sizeof b);
	SHOW(read(q[0], b, 100));
	puts(b);
	off_t at = 10;
	lseek(o, 0, SEEK_SET);
	SHOW(sendfile(o, f, &at, 5));
	printf("offset %ld, out at %ld\n", (long)at, (long)lseek(o, 0, SEEK_CUR));
	cat_file("out");
	int sv[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	SHOW(sendfile(sv[0], f, NULL, 1000));
	memset(b, 0, sizeof b);
	SHOW(read(sv[1], b, 100));
	puts(b);
	SHOW(sendfile(o, p[0], NULL, 5));
	SHOW(sendfile(sv[0], 99, NULL, 5));
	at = -1;
	SHOW(sendfile(o, f, &at, 5));
	loff_t in = 4, out = 30;
	SHOW(copy_file_range(f, &in, o, &out, 100, 0));
	printf("offsets %ld %ld size %ld\n", (long)in, (long)out, (long)lseek(o, 0, SEEK_END));
	SHOW(copy_file_range(f, &in, o, &out, 100, 0));
	in = 0, out = 2;
	SHOW(copy_file_range(f, &in, f, &out, 10, 0));
	SHOW(copy_file_range(f, &in, o, &out, 10, 1));
	int dir = MUST(open(".", O_RDONLY));
	SHOW(copy_file_range(dir, NULL, o, NULL, 10, 0));
	int ro = MUST(open("f", O_RDONLY));
	SHOW(copy_file_range(f, NULL, ro, NULL, 10, 0));
	SHOW(copy_file_range(p[0], NULL, o, NULL, 10, 0));
	int app = MUST(open("out", O_WRONLY | O_APPEND));
	SHOW(copy_file_range(f, NULL, app, NULL, 10, 0));
	SHOW(sendfile(app, f, NULL, 10));
	// Parameters of the kernel are files like any: what is read is written back.
	const char *parameters[] = {"/proc/sys/fs/pipe-max-size", "/proc/sys/kernel/domainname"};
	for (int i = 0; i < 2; i++) {
		char value[100] = "";
		int q[2], file = MUST(open(parameters[i], O_RDWR));
		MUST(pipe(q));
		loff_t from = 0;
		SHOW(splice(file, &from, q[1], NULL, 99, 0));
		SHOW(read(q[0], value, 99));
		printf("%s", value);
		MUST(write(q[1], value, strlen(value)));
		SHOW(splice(q[0], NULL, file, NULL, 99, 0));
	}
	int d[2];
	MUST(pipe(d));
	SHOW(splice(dir, NULL, d[1], NULL, 1, 0));
	return 0;
}
