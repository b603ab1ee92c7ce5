#include "t.h"

int main(int argc, char **argv) {
	char b[16];
	int fd = open("/dev/null", O_RDWR);
	R(read(fd, b, 16));
	R(write(fd, b, 16));
	fd = open("/dev/zero", O_RDWR);
	memset(b, 1, 16);
	R(read(fd, b, 16));
	printf("%d\n", b[7]);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("%d\n", p[5]);
	fd = open("/dev/full", O_RDWR);
	R(read(fd, b, 16));
	R(write(fd, b, 16));
	fd = open("/dev/urandom", O_RDONLY);
	R(read(fd, b, 16));
	R(lseek(fd, 5, SEEK_SET) >= 0 || errno == ESPIPE);
	R(ioctl(fd, 0x80045200, b));
	R(open("/dev/nothing", O_RDWR));
	R(mknod("n", S_IFCHR | 0666, 0x103));
	R(mknod("d", S_IFDIR | 0666, 0));
	R(isatty(fd));
	return 0;
}
