// abstract listen NAME TEXT: answers one connection to an abstract AF_UNIX socket
// with TEXT. abstract ask NAME: prints the answer.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
	if (argc < 3)
		return 2;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strncpy(a.sun_path + 1, argv[2], sizeof a.sun_path - 2);
	socklen_t len = sizeof a.sun_family + 1 + strlen(a.sun_path + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!strcmp(argv[1], "ask")) {
		char b[100];
		if (connect(fd, (struct sockaddr *)&a, len))
			return perror("connect"), 1;
		ssize_t n = read(fd, b, sizeof b);
		return n < 0 || write(1, b, n) != n;
	}
	if (argc < 4 || bind(fd, (struct sockaddr *)&a, len) || listen(fd, 1))
		return perror("listen"), 1;
	int c = accept(fd, 0, 0);
	return write(c, argv[3], strlen(argv[3])) < 0;
}
