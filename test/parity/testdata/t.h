// What the programs share: a line for each result, without addresses, numbers
// of processes or times.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

// R prints an expression's value, and the error if it is -1.
#define R(x)                                                                   \
	do {                                                                   \
		errno = 0;                                                     \
		long r_ = (long)(x);                                           \
		if (r_ == -1 && errno)                                         \
			printf("%s = -1 %s\n", #x, strerrorname_np(errno));    \
		else                                                           \
			printf("%s = %ld\n", #x, r_);                          \
	} while (0)

// OK prints only whether it worked, for results that differ each time.
#define OK(x)                                                                  \
	do {                                                                   \
		errno = 0;                                                     \
		long r_ = (long)(x);                                           \
		printf("%s %s\n", #x,                                          \
		       r_ == -1 ? strerrorname_np(errno) : "ok");              \
	} while (0)

static void status(const char *what, int s) {
	if (WIFEXITED(s))
		printf("%s: exited %d\n", what, WEXITSTATUS(s));
	else if (WIFSIGNALED(s))
		printf("%s: signal %d\n", what, WTERMSIG(s));
	else if (WIFSTOPPED(s))
		printf("%s: stopped %d\n", what, WSTOPSIG(s));
	else if (WIFCONTINUED(s))
		printf("%s: continued\n", what);
	fflush(stdout);
}

// CHILD runs a block in a child and prints how it ended.
#define CHILD(what, ...)                                                       \
	do {                                                                   \
		fflush(stdout);                                                \
		pid_t p_ = fork();                                             \
		if (p_ == 0) {                                                 \
			__VA_ARGS__;                                           \
			fflush(stdout);                                        \
			_exit(0);                                              \
		}                                                              \
		int s_;                                                        \
		waitpid(p_, &s_, 0);                                           \
		status(what, s_);                                              \
	} while (0)

static void spew(const char *name, const char *text) {
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("cannot write %s\n", name);
	close(fd);
}

static void show(const char *name) {
	char b[256];
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, b, sizeof b - 1);
	b[n < 0 ? 0 : n] = 0;
	printf("%s holds \"%s\"\n", name, b);
	close(fd);
}

static void msleep(int ms) {
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
	nanosleep(&t, 0);
}
