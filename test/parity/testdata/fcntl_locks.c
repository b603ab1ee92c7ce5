#include "t.h"

int main(int argc, char **argv) {
	int fd = open("f", O_RDWR | O_CREAT, 0644), fd2 = open("f", O_RDWR);
	struct flock l = {F_WRLCK, SEEK_SET, 10, 10, 0};
	R(fcntl(fd, F_SETLK, &l));
	l.l_start = 20;
	R(fcntl(fd, F_SETLK, &l));
	CHILD("other", {
		struct flock k = {F_RDLCK, SEEK_SET, 0, 0, 0};
		R(fcntl(fd, F_GETLK, &k));
		printf("%d %ld %ld %d\n", k.l_type, (long)k.l_start, (long)k.l_len, k.l_pid == getppid());
		k = (struct flock){F_WRLCK, SEEK_SET, 15, 1, 0};
		R(fcntl(fd, F_SETLK, &k));
		k.l_start = 30;
		R(fcntl(fd, F_SETLK, &k));
	});
	l = (struct flock){F_UNLCK, SEEK_SET, 12, 3, 0};
	R(fcntl(fd, F_SETLK, &l));
	CHILD("hole", {
		struct flock k = {F_WRLCK, SEEK_SET, 12, 3, 0};
		R(fcntl(fd, F_SETLK, &k));
	});
	close(fd2);
	CHILD("gone with a close", {
		struct flock k = {F_WRLCK, SEEK_SET, 0, 0, 0};
		R(fcntl(fd, F_SETLK, &k));
	});
	struct flock b = {9, SEEK_SET, 0, 0, 0};
	R(fcntl(fd, F_SETLK, &b));
	int r = open("f", O_RDONLY);
	l = (struct flock){F_WRLCK, SEEK_SET, 0, 0, 0};
	R(fcntl(r, F_SETLK, &l));
	fd2 = open("f", O_RDWR);
	l.l_type = F_WRLCK;
	R(fcntl(fd, F_OFD_SETLK, &l));
	R(fcntl(fd2, F_OFD_SETLK, &l));
	return 0;
}
