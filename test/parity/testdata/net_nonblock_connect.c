// needs: root
#include "net.h"

static void on_alarm(int s) {}

int main() {
	fresh();
	// A backlog that is full leaves connects waiting.
	int l = bound(SOCK_STREAM, "127.0.0.1", 7000);
	R(listen(l, 0));
	int first = dial(SOCK_STREAM, "127.0.0.1", 7000);
	union addr a;
	socklen_t n = in4(&a, "127.0.0.1", 7000);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	R(connect(s, &a.sa, n));
	R(connect(s, &a.sa, n));
	char b[10];
	E(s);
	R(read(s, b, 1));
	R(send(s, "x", 1, MSG_NOSIGNAL));
	R(recv(s, b, 1, 0));
	union addr p;
	socklen_t pn = sizeof p;
	R(getpeername(s, &p.sa, &pn));
	printf("error %d\n", opt(s, SOL_SOCKET, SO_ERROR));
	// A wait with a time-out, and one that a signal interrupts.
	int t = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval tv = {0, 100000};
	R(setsockopt(t, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	R(connect(t, &a.sa, n));
	R(connect(t, &a.sa, n));
	close(t);
	t = socket(AF_INET, SOCK_STREAM, 0);
	struct sigaction sa = {.sa_handler = on_alarm};
	sigaction(SIGALRM, &sa, 0);
	struct itimerval it = {.it_value = {0, 100000}};
	setitimer(ITIMER_REAL, &it, 0);
	R(connect(t, &a.sa, n));
	nonblock(t);
	R(connect(t, &a.sa, n));
	close(t);
	// Room again: the connection comes to be by a retransmission.
	close(accept(l, 0, 0));
	printf("s %x\n", until(s, POLLOUT) & POLLOUT);
	R(connect(s, &a.sa, n));
	R(connect(s, &a.sa, n));
	close(s);
	close(first);
	// accept with a time-out.
	close(l);
	l = listening("127.0.0.1", 7001);
	R(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	R(accept(l, 0, 0));
	setitimer(ITIMER_REAL, &it, 0);
	tv.tv_sec = 5;
	R(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, 0);
	R(accept(l, 0, 0)); // not restarted: it has a time-out
	// read and recv with time-outs.
	int c = dial(SOCK_STREAM, "127.0.0.1", 7001), k = accept(l, 0, 0);
	tv.tv_sec = 0;
	R(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	R(read(c, b, 1));
	R(recv(c, b, 1, 0));
	R(recvfrom(c, b, 1, MSG_WAITALL, 0, 0));
	write(k, "abc", 3);
	until(c, POLLIN);
	R(recv(c, b, 10, MSG_WAITALL));
	socklen_t tn = sizeof tv;
	R(getsockopt(k, SOL_SOCKET, SO_RCVTIMEO, &tv, &tn));
	printf("accepted one: %ld %ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	// A writer that nobody reads, with a time-out.
	tv.tv_sec = 0, tv.tv_usec = 100000;
	R(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	static char big[64 << 20];
	long w = write(c, big, sizeof big);
	printf("partly: %d\n", w > 0 && w < (long)sizeof big);
	E(c);
}
