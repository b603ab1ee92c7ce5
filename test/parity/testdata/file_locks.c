// fcntl locks, OFD locks and flock.
#include "show.h"
#include <sys/file.h>

static struct flock lk(short type, long start, long len) { return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len}; }

static void get(int fd, int cmd, short type, long start, long len) {
	struct flock l = lk(type, start, len);
	if (fcntl(fd, cmd, &l) == -1)
		printf("get: %s\n", strerrorname_np(errno));
	else
		printf("get: type %d start %ld len %ld pid %s\n", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid == getppid() ? "parent" : l.l_pid == -1 ? "-1" : "other");
}

int main(void) {
	put_file("f", "0123456789");
	int fd = MUST(open("f", O_RDWR)), again = MUST(open("f", O_RDWR)), ro = MUST(open("f", O_RDONLY));
	struct flock l = lk(F_WRLCK, 2, 4);
	SHOW(fcntl(fd, F_SETLK, &l));
	SHOW(fcntl(again, F_SETLK, &l));
	FORK("other process", {
		l = lk(F_RDLCK, 0, 0);
		SHOW(fcntl(fd, F_SETLK, &l));
		l = lk(F_WRLCK, 0, 2);
		SHOW(fcntl(fd, F_SETLK, &l));
		l = lk(F_WRLCK, 6, 0);
		SHOW(fcntl(fd, F_SETLK, &l));
		get(fd, F_GETLK, F_RDLCK, 0, 0);
		get(fd, F_GETLK, F_WRLCK, 7, 1);
	});
	l = lk(F_UNLCK, 3, 1);
	SHOW(fcntl(fd, F_SETLK, &l));
	FORK("split", get(fd, F_GETLK, F_RDLCK, 0, 0), get(fd, F_GETLK, F_RDLCK, 3, 1), get(fd, F_GETLK, F_RDLCK, 4, 0));
	l = lk(F_RDLCK, 0, 100);
	SHOW(fcntl(fd, F_SETLK, &l));
	FORK("joined and shared", get(fd, F_GETLK, F_WRLCK, 0, 0), get(fd, F_GETLK, F_RDLCK, 0, 0));
	close(again); // drops all locks of the process on the file
	FORK("gone", get(fd, F_GETLK, F_WRLCK, 0, 0));
	l = lk(F_WRLCK, 0, 0);
	SHOW(fcntl(ro, F_SETLK, &l));
	l = lk(9, 0, 0);
	SHOW(fcntl(fd, F_SETLK, &l));
	l = lk(F_WRLCK, -5, 3);
	SHOW(fcntl(fd, F_SETLK, &l));
	l = lk(F_WRLCK, 5, -3);
	SHOW(fcntl(fd, F_SETLK, &l));
	FORK("negative length", get(fd, F_GETLK, F_WRLCK, 0, 0));
	l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_END, .l_start = -10};
	SHOW(fcntl(fd, F_SETLK, &l));
	// Waiting, and a deadlock that is seen.
	int p[2];
	MUST(pipe(p));
	l = lk(F_WRLCK, 0, 1);
	SHOW(fcntl(fd, F_SETLK, &l));
	pid_t c = fork();
	if (c == 0) {
		l = lk(F_WRLCK, 1, 1);
		fcntl(fd, F_SETLK, &l);
		write(p[1], "x", 1);
		l = lk(F_WRLCK, 0, 1);
		printf("child gets it: %d\n", fcntl(fd, F_SETLKW, &l));
		_exit(0);
	}
	char b;
	read(p[0], &b, 1);
	ms(50);
	l = lk(F_WRLCK, 1, 1);
	SHOW(fcntl(fd, F_SETLKW, &l));
	l = lk(F_UNLCK, 0, 0);
	int unlocked = fcntl(fd, F_SETLKW, &l);
	waitpid(c, NULL, 0);
	SHOW(unlocked);
	// Locks of open files.
	int a = MUST(open("f", O_RDWR)), z = MUST(open("f", O_RDWR));
	l = lk(F_WRLCK, 0, 5);
	SHOW(fcntl(a, F_OFD_SETLK, &l));
	SHOW(fcntl(z, F_OFD_SETLK, &l));
	get(z, F_OFD_GETLK, F_WRLCK, 0, 0);
	l.l_pid = 3;
	SHOW(fcntl(a, F_OFD_SETLK, &l));
	int d = dup(a);
	close(a);
	l = lk(F_WRLCK, 0, 5);
	SHOW(fcntl(z, F_OFD_SETLK, &l));
	close(d);
	SHOW(fcntl(z, F_OFD_SETLK, &l));
	// flock
	a = MUST(open("f", O_RDONLY)), d = MUST(open("f", O_RDONLY));
	SHOW(flock(a, LOCK_SH));
	SHOW(flock(d, LOCK_SH | LOCK_NB));
	SHOW(flock(d, LOCK_EX | LOCK_NB));
	SHOW(flock(a, LOCK_UN));
	SHOW(flock(d, LOCK_EX | LOCK_NB));
	SHOW(flock(a, LOCK_SH | LOCK_NB));
	FORK("inherited", SHOW(flock(d, LOCK_UN)));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(flock(a, 77));
	SHOW(flock(99, LOCK_SH));
	return 0;
}
