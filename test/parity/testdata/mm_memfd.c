// memfd_create and seals.
#include "show.h"

int main(void) {
	int fd = SHOW(memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (fd < 0)
		return 1;
	char link[64], to[64] = {0};
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	readlink(link, to, sizeof to - 1);
	puts(to);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(ftruncate(fd, 8192));
	SHOW(write(fd, "hello", 5));
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(ftruncate(fd, 4096));
	SHOW(ftruncate(fd, 12288));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(ftruncate(fd, 16384));
	SHOW(pwrite(fd, "x", 1, 20000));
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(m, 4096);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(write(fd, "x", 1));
	SHOW(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("private map: %.5s\n", m);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(fcntl(fd, F_GET_SEALS));
	int plain = SHOW(memfd_create("plain", 0));
	SHOW(fcntl(plain, F_GET_SEALS));
	SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(memfd_create("bad", 0x1000));
	put_file("f", "");
	SHOW(fcntl(MUST(open("f", O_RDWR)), F_GET_SEALS));
	struct stat st;
	fstat(plain, &st);
	printf("mode %o nlink %lu\n", st.st_mode, (unsigned long)st.st_nlink);
	return 0;
}
