// Numbers that are no system calls, and calls with nonsense.
#include "show.h"
#include <sys/ioctl.h>

int main(void) {
	SHOW(syscall(1000));
	SHOW(syscall(9999));
	SHOW(syscall(0x7fffffff));
	SHOW(syscall(-2));
	SHOW(syscall(174)); // create_module
	SHOW(syscall(177)); // get_kernel_syms
	SHOW(syscall(180)); // nfsservctl
	SHOW(syscall(181)); // getpmsg
	SHOW(syscall(184)); // tuxcall
	SHOW(syscall(185)); // security
	SHOW(syscall(214)); // epoll_ctl_old
	SHOW(syscall(236)); // vserver
	SHOW(syscall(400)); // between the old and the new
	int n;
	SHOW(ioctl(99, FIONREAD, &n));
	put_file("f", "12345");
	int fd = MUST(open("f", O_RDWR));
	SHOW(ioctl(fd, FIONREAD, &n));
	printf("%d\n", n);
	SHOW(ioctl(fd, TCGETS, &n));
	SHOW(ioctl(fd, 0xdeadbeef, &n));
	SHOW(ioctl(fd, FIOCLEX));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(ioctl(fd, FIONCLEX));
	SHOW(fcntl(fd, F_GETFD));
	n = 1;
	SHOW(ioctl(fd, FIONBIO, &n));
	SHOW(fcntl(fd, F_GETFL) & O_NONBLOCK);
	SHOW(isatty(fd));
	puts(strerrorname_np(errno));
	return 0;
}
