#include "t.h"

int main(int argc, char **argv) {
	int fd = memfd_create("name", MFD_ALLOW_SEALING);
	R(fd >= 0);
	R(ftruncate(fd, 8192));
	R(fcntl(fd, F_GET_SEALS));
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(p, 8192);
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	R(write(fd, "x", 1));
	R(ftruncate(fd, 4096));
	R(ftruncate(fd, 16384));
	OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	R(fcntl(memfd_create("x", 0), F_ADD_SEALS, F_SEAL_GROW));
	R(memfd_create("x", 0x8000));
	char b[64], l[64];
	sprintf(b, "/proc/self/fd/%d", fd);
	l[readlink(b, l, 63)] = 0;
	puts(l);
	return 0;
}
