#include "t.h"

int main(int argc, char **argv) {
	int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	R(fcntl(fd, F_GETFD));
	int d = dup(fd);
	R(fcntl(d, F_GETFD));
	R(dup2(fd, 50));
	R(dup2(fd, fd) == fd);
	R(dup2(99, 99));
	R(dup3(fd, fd, 0));
	R(dup3(fd, 51, O_CLOEXEC));
	R(fcntl(51, F_GETFD));
	R(fcntl(fd, F_DUPFD, 60));
	R(fcntl(fd, F_DUPFD_CLOEXEC, 60));
	R(fcntl(fd, F_DUPFD, 1 << 30));
	write(fd, "abc", 3);
	R(lseek(d, 0, SEEK_CUR));
	R(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	R(fcntl(d, F_SETFL, O_APPEND));
	R(fcntl(fd, F_GETFL) & O_APPEND);
	R(syscall(SYS_close_range, 50, 55, 0));
	R(fcntl(50, F_GETFD));
	R(syscall(SYS_close_range, 60, 70, 4));
	R(fcntl(60, F_GETFD));
	R(close(99));
	struct rlimit r = {20, 20};
	setrlimit(RLIMIT_NOFILE, &r);
	R(dup2(fd, 20));
	int n = 0;
	while (dup(fd) >= 0)
		n++;
	printf("%d\n", errno == EMFILE);
	return 0;
}
