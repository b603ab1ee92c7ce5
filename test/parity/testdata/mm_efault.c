// Bad pointers: EFAULT, and nothing is done.
#include "show.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>

int main(void) {
	// The compiler knows that these pointers are bad.
	void *volatile vbad = (void *)8;
	void *bad = vbad, *kernel = (void *)0xffff800000000000UL;
	int fds[2], fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	MUST(pipe(fds));
	SHOW(syscall(SYS_open, bad, O_RDONLY));
	SHOW(syscall(SYS_stat, ".", bad));
	SHOW(syscall(SYS_write, fd, bad, 10));
	SHOW(syscall(SYS_write, fd, kernel, 10));
	SHOW(syscall(SYS_write, fds[1], bad, 10));
	write(fd, "data", 4);
	SHOW(syscall(SYS_pread64, fd, bad, 4, 0));
	SHOW(syscall(SYS_pread64, fd, kernel, 4, 0));
	SHOW(syscall(SYS_pipe, bad));
	SHOW(syscall(SYS_uname, bad));
	SHOW(syscall(SYS_gettimeofday, bad, 0));
	SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad));
	SHOW(syscall(SYS_nanosleep, bad, 0));
	SHOW(syscall(SYS_getcwd, bad, 4096));
	SHOW(syscall(SYS_readlink, "/proc/self/exe", bad, 10));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8));
	SHOW(syscall(SYS_getrlimit, RLIMIT_NOFILE, bad));
	SHOW(syscall(SYS_poll, bad, 1, 0));
	SHOW(syscall(SYS_select, 1, bad, 0, 0, 0));
	SHOW(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad));
	SHOW(syscall(SYS_execve, bad, 0, 0));
	SHOW(syscall(SYS_execve, "/bin/true", bad, 0));
	SHOW(syscall(SYS_getdents64, MUST(open("/", O_RDONLY)), bad, 4096));
	SHOW(syscall(SYS_epoll_ctl, MUST(epoll_create1(0)), EPOLL_CTL_ADD, fds[0], bad));
	SHOW(syscall(SYS_futex, bad, 0, 0, 0, 0, 0));
	SHOW(syscall(SYS_getrandom, bad, 10, 0));
	SHOW(syscall(SYS_writev, fd, bad, 1));
	SHOW(syscall(SYS_times, bad));
	SHOW(syscall(SYS_sysinfo, bad));
	SHOW(syscall(SYS_getresuid, bad, bad, bad));
	// A buffer that ends in the middle: what fits is done.
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(edge + 4096, 4096);
	memset(edge, 'e', 4096);
	SHOW(write(fds[1], edge + 4096 - 5, 10));
	SHOW(pwrite(fd, edge + 4096 - 5, 10, 0));
	strcpy(edge + 4096 - 4, "abc");
	SHOW(mkdir(edge + 4096 - 4, 0755));
	edge[4095] = 'd';
	SHOW(mkdir(edge + 4096 - 4, 0755));
	struct iovec v[2] = {{edge, 100}, {bad, 100}};
	SHOW(pwritev(fd, v, 2, 0));
	v[0].iov_len = -1;
	SHOW(pwritev(fd, v, 2, 0));
	SHOW(writev(fd, v, 2000));
	SHOW(writev(fd, v, 0));
	return 0;
}
