// Interrupted calls: which restart with SA_RESTART and which never do.
#include "show.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

static int fds[2];
static volatile int hits;
static void handler(int s) {
	(void)s;
	if (++hits == 2)
		write(fds[1], "x", 1); // lets a restarted call end
}

static void arm(int flags) {
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
	sigaction(SIGALRM, &sa, NULL);
	hits = 0;
	struct itimerval it = {{0, 60000}, {0, 30000}};
	setitimer(ITIMER_REAL, &it, NULL);
}

static void disarm(void) {
	struct itimerval it = {0};
	setitimer(ITIMER_REAL, &it, NULL);
	int fl = fcntl(fds[0], F_GETFL);
	char b[16];
	fcntl(fds[0], F_SETFL, fl | O_NONBLOCK);
	while (read(fds[0], b, 16) > 0)
		;
	fcntl(fds[0], F_SETFL, fl);
}

int main(void) {
	char b[16];
	int ep = MUST(epoll_create1(0));
	int sv[2];
	MUST(pipe(fds));
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		printf("flags %s\n", flags ? "SA_RESTART" : "0");
		arm(flags);
		SHOW(read(fds[0], b, 16));
		printf("restarted %d\n", hits > 1);
		disarm();
		arm(flags);
		SHOW(poll(&(struct pollfd){.fd = ep, .events = POLLIN}, 1, -1));
		disarm();
		arm(flags);
		SHOW(epoll_wait(ep, &(struct epoll_event){0}, 1, -1));
		disarm();
		arm(flags);
		SHOW(select(0, NULL, NULL, NULL, NULL));
		disarm();
		arm(flags);
		SHOW(pause());
		disarm();
		arm(flags);
		struct timespec t = {10, 0}, rem = {0};
		SHOW(nanosleep(&t, &rem));
		printf("about ten seconds left: %d\n", rem.tv_sec == 9);
		disarm();
		arm(flags);
		SHOW(sigsuspend(&(sigset_t){0}));
		disarm();
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
		arm(flags);
		if (flags == 0)
			SHOW(recv(sv[0], b, 16, 0));
		disarm();
		struct timeval tv = {5, 0};
		setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
		arm(flags);
		SHOW(recv(sv[0], b, 16, 0)); // with a timeout never restarted
		disarm();
		arm(flags);
		pid_t p = fork();
		if (p == 0) {
			ms(150);
			_exit(5);
		}
		int st = 0;
		SHOW(waitpid(p, &st, 0) == p);
		disarm();
		waitpid(p, &st, 0);
	}
	return 0;
}
