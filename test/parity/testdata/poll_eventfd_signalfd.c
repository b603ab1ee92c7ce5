// eventfd and signalfd.
#include "show.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

int main(void) {
	uint64_t v = 0;
	int e = SHOW(eventfd(3, EFD_NONBLOCK));
	SHOW(read(e, &v, 8));
	printf("value %lu\n", (unsigned long)v);
	SHOW(read(e, &v, 8));
	SHOW(read(e, &v, 4));
	SHOW(write(e, &v, 4));
	v = -1;
	SHOW(write(e, &v, 8));
	v = -2;
	SHOW(write(e, &v, 8));
	v = 1;
	SHOW(write(e, &v, 8));
	SHOW(poll(&(struct pollfd){.fd = e, .events = POLLOUT}, 1, 0));
	SHOW(read(e, &v, 8));
	printf("value %lx\n", (unsigned long)v);
	SHOW(lseek(e, 0, SEEK_SET));
	SHOW(pread(e, &v, 8, 0));
	int s = SHOW(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
	SHOW(fcntl(s, F_GETFD));
	SHOW(read(s, &v, 8));
	printf("value %lu\n", (unsigned long)v);
	SHOW(read(s, &v, 8));
	SHOW(read(s, &v, 8));
	SHOW(eventfd(0, 99));
	int blocking = MUST(eventfd(0, 0));
	pid_t p = fork();
	if (p == 0) {
		ms(20);
		v = 7;
		write(blocking, &v, 8);
		_exit(0);
	}
	SHOW(read(blocking, &v, 8));
	printf("value %lu\n", (unsigned long)v);
	waitpid(p, NULL, 0);

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int sf = SHOW(signalfd(-1, &set, SFD_NONBLOCK));
	struct signalfd_siginfo si[3];
	SHOW(read(sf, si, sizeof si));
	raise(SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 9});
	SHOW(poll(&(struct pollfd){.fd = sf, .events = POLLIN}, 1, 0));
	SHOW(read(sf, si, 10));
	SHOW(read(sf, si, sizeof si));
	printf("%u ours %d; %d value %d code %d\n", si[0].ssi_signo, si[0].ssi_pid == (unsigned)getpid(), si[1].ssi_signo == (unsigned)SIGRTMIN, si[1].ssi_int, si[1].ssi_code);
	sigdelset(&set, SIGUSR1);
	SHOW(signalfd(sf, &set, 0) == sf);
	raise(SIGUSR1);
	SHOW(poll(&(struct pollfd){.fd = sf, .events = POLLIN}, 1, 0));
	SHOW(signalfd(0, &set, 0));
	SHOW(signalfd(-1, &set, 99));
	SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
	SHOW(write(sf, si, 8));
	return 0;
}
