// O_ASYNC: SIGIO and signals of one's choice when descriptors become ready.
#include "show.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile int hits, last_fd, last_code;
static void handler(int s, siginfo_t *i, void *c) {
	(void)s, (void)c;
	hits++, last_fd = i->si_fd, last_code = i->si_code;
}

static void until(int n) {
	for (int i = 0; i < 300 && hits < n; i++)
		ms(1);
}

int main(void) {
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	int p[2], s[2];
	MUST(pipe2(p, O_NONBLOCK));
	SHOW(fcntl(p[0], F_SETOWN, getpid()));
	SHOW(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	write(p[1], "x", 1);
	until(1);
	printf("pipe: %d\n", hits);
	SHOW(fcntl(p[0], F_SETSIG, SIGRTMIN + 1));
	char b[8];
	read(p[0], b, 8);
	hits = 0;
	write(p[1], "y", 1);
	until(1);
	printf("chosen signal: %d fd right %d code %d\n", hits, last_fd == p[0], last_code);
	SHOW(fcntl(p[0], F_SETFL, O_NONBLOCK));
	hits = 0;
	write(p[1], "z", 1);
	until(1);
	printf("switched off: %d\n", hits);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	SHOW(fcntl(s[0], F_SETOWN, -getpgrp()));
	printf("owner is the group: %d\n", fcntl(s[0], F_GETOWN) == -getpgrp());
	SHOW(fcntl(s[0], F_SETOWN, getpid()));
	int one = 1;
	SHOW(ioctl(s[0], FIOASYNC, &one));
	hits = 0;
	send(s[1], "x", 1, 0);
	until(1);
	printf("socket: %d\n", hits >= 1);
	struct f_owner_ex ex = {F_OWNER_TID, getpid()}, out;
	SHOW(fcntl(s[0], F_SETOWN_EX, &ex));
	SHOW(fcntl(s[0], F_GETOWN_EX, &out));
	printf("type %d ours %d\n", out.type, out.pid == getpid());
	ex.type = 9;
	SHOW(fcntl(s[0], F_SETOWN_EX, &ex));
	SHOW(fcntl(s[0], F_SETOWN, 1 << 22));
	return 0;
}
