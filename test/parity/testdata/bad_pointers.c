#include "t.h"

int main(int argc, char **argv) {
	void *bad = (void *)8;
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	R(read(fd, bad, 0));
	write(fd, "abc", 3);
	lseek(fd, 0, SEEK_SET);
	R(read(fd, bad, 3));
	R(write(fd, bad, 3));
	R(stat(bad, bad));
	R(uname(bad));
	R(gettimeofday(bad, 0) * 0);
	R(syscall(SYS_clock_gettime, 0, bad));
	R(sigaction(SIGUSR1, bad, 0));
	R(syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8));
	R(pipe(bad));
	R(getcwd(bad, 100) == 0 ? errno : 0);
	R(getrlimit(RLIMIT_NOFILE, bad));
	R(nanosleep(bad, 0));
	R(wait(bad));
	R(getgroups(10, bad) >= 0 ? 0 : errno);
	R(sysinfo(bad));
	R(bind(0, bad, 10));
	R(ioctl(1, 0x12345678, bad));
	R(poll(bad, 1, 0));
	R(epoll_wait(99, bad, 1, 0));
	R(getrandom(bad, 10, 0));
	R(mkdir(bad, 0));
	R(link("f", bad));
	R(getdents64(open(".", O_RDONLY), bad, 1000));
	R(syscall(SYS_futex, bad, 0, 0, 0));
	R(times(bad) == -1 ? errno : 0);
	R(syscall(SYS_set_robust_list, bad, 1));
	R(madvise(bad, 10, 0));
	R(syscall(9999));
	R(syscall(-1));
	R(syscall(0x40000000 | SYS_getpid));
	char *end = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(end + 4096, 4096);
	lseek(fd, 0, SEEK_SET);
	R(read(fd, end + 4094, 3));
	R(write(fd, end + 4094, 3));
	strcpy(end + 4094, "f");
	R(access(end + 4094, F_OK));
	end[4095] = 'g';
	R(access(end + 4094, F_OK));
	return 0;
}
