#include "t.h"

int main(int argc, char **argv) {
	int s[2];
	R(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	char b[100];
	R(send(s[0], "one", 3, 0));
	R(send(s[0], "", 0, 0));
	R(send(s[0], "three", 5, 0));
	R(recv(s[1], b, 2, MSG_TRUNC));
	R(recv(s[1], b, 100, 0));
	R(recv(s[1], b, 100, 0));
	R(recv(s[1], b, 100, MSG_DONTWAIT));
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un n = {AF_UNIX, "\0hull-parity-abstract"};
	socklen_t len = 2 + 1 + strlen("hull-parity-abstract");
	R(bind(a, (void *)&n, len));
	R(sendto(c, "hi", 2, 0, (void *)&n, len));
	struct sockaddr_un o;
	socklen_t m = sizeof o;
	R(recvfrom(a, b, 100, 0, (void *)&o, &m));
	printf("%d\n", (int)m);
	R(connect(c, (void *)&n, len));
	R(send(c, "x", 1, 0));
	close(a);
	R(send(c, "x", 1, 0));
	R(listen(c, 1));
	int q[2];
	R(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, q));
	R(send(q[0], "abc", 3, 0));
	R(send(q[0], "de", 2, 0));
	R(recv(q[1], b, 2, 0));
	R(recv(q[1], b, 100, 0));
	close(q[0]);
	R(recv(q[1], b, 100, 0));
	return 0;
}
