// dup, dup2, dup3, fcntl, close_range: numbers and flags.
#include "show.h"
#include <linux/close_range.h>

static void open_fds(void) {
	printf("open:");
	for (int i = 0; i < 64; i++)
		if (fcntl(i, F_GETFD) != -1)
			printf(" %d%s", i, fcntl(i, F_GETFD) & FD_CLOEXEC ? "c" : "");
	puts("");
}

int main(void) {
	int fd = SHOW(open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	SHOW(dup(fd));
	SHOW(dup2(fd, 20));
	SHOW(dup2(fd, fd));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, 21, O_CLOEXEC));
	SHOW(dup3(fd, 22, O_APPEND));
	SHOW(dup2(99, 5));
	SHOW(dup2(fd, -1));
	SHOW(dup2(fd, 1 << 30));
	SHOW(dup(-1));
	SHOW(fcntl(fd, F_DUPFD, 10));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 10));
	SHOW(fcntl(fd, F_DUPFD, -1));
	open_fds();
	SHOW(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_RDONLY));
	printf("flags of the duplicate %x\n", fcntl(20, F_GETFL) & ~0100000);
	SHOW(fcntl(20, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(fd, F_SETFD, 0));
	SHOW(fcntl(fd, 4711));
	SHOW(fcntl(fd, F_GETOWN));
	SHOW(fcntl(fd, F_SETOWN, getpid()));
	printf("owner %d\n", fcntl(fd, F_GETOWN) == getpid());
	SHOW(fcntl(fd, F_SETSIG, SIGUSR1));
	SHOW(fcntl(fd, F_GETSIG));
	SHOW(fcntl(fd, F_SETSIG, 99));
	open_fds();
	SHOW(syscall(SYS_close_range, 10, 12, 0));
	open_fds();
	SHOW(syscall(SYS_close_range, 4, 30, CLOSE_RANGE_CLOEXEC));
	open_fds();
	SHOW(syscall(SYS_close_range, 30, 4, 0));
	SHOW(syscall(SYS_close_range, 3, 4, 64));
	SHOW(syscall(SYS_close_range, 21, -1, CLOSE_RANGE_UNSHARE));
	open_fds();
	SHOW(close(fd));
	SHOW(close(fd));
	SHOW(close(-1));
	int path = SHOW(open("f", O_PATH));
	char b[4];
	SHOW(read(path, b, 4));
	SHOW(fcntl(path, F_GETFL) & O_PATH);
	SHOW(fchmod(path, 0600));
	SHOW(fchown(path, 0, 0));
	SHOW(fcntl(path, F_SETFL, O_APPEND));
	SHOW(lseek(path, 0, SEEK_SET));
	struct stat st;
	SHOW(fstat(path, &st));
	return 0;
}
