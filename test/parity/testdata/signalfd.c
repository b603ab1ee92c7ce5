#include "t.h"

int main(int argc, char **argv) {
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, 0);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	struct signalfd_siginfo i;
	R(read(fd, &i, sizeof i));
	kill(getpid(), SIGUSR1);
	struct pollfd p = {fd, POLLIN};
	R(poll(&p, 1, 100));
	R(read(fd, &i, sizeof i));
	printf("%d %d %d\n", i.ssi_signo, i.ssi_code, i.ssi_pid == getpid());
	R(read(fd, &i, 10));
	R(signalfd(0, &s, 0));
	R(signalfd(-1, &s, 0x7777));
	return 0;
}
