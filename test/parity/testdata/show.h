// What the programs print with. SHOW(call) prints the call as it is written,
// its result, and the error's name if it is -1.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOW(call)                                                             \
	({                                                                         \
		errno = 0;                                                             \
		long show_r = (long)(call);                                            \
		if (show_r == -1)                                                      \
			printf("%s = -1 %s\n", #call, strerrorname_np(errno));             \
		else                                                                   \
			printf("%s = %ld\n", #call, show_r);                               \
		show_r;                                                                \
	})

// OK(call) prints only whether it worked: for results that vary.
#define OK(call)                                                               \
	({                                                                         \
		errno = 0;                                                             \
		long ok_r = (long)(call);                                              \
		if (ok_r == -1)                                                        \
			printf("%s: %s\n", #call, strerrorname_np(errno));                 \
		else                                                                   \
			printf("%s: ok\n", #call);                                         \
		ok_r;                                                                  \
	})

// MUST(call) is a step that is not the subject: it ends the program if it
// fails.
#define MUST(call)                                                             \
	({                                                                         \
		errno = 0;                                                             \
		long must_r = (long)(call);                                            \
		if (must_r == -1) {                                                    \
			printf("%s failed: %s\n", #call, strerrorname_np(errno));          \
			exit(99);                                                          \
		}                                                                      \
		must_r;                                                                \
	})

// Each line is written at once, so that forks do not print it twice.
__attribute__((constructor)) static void show_setup(void) {
	setvbuf(stdout, NULL, _IOLBF, 4096);
	umask(022);
}

__attribute__((unused)) static void show_status(const char *what, int status) {
	if (WIFEXITED(status))
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: signal %s\n", what, sigabbrev_np(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %s\n", what, sigabbrev_np(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
}

// FORK { … } runs the block in a child and prints how it ended.
#define FORK(name, ...)                                                        \
	({                                                                         \
		pid_t fork_p = fork();                                                 \
		if (fork_p == 0) {                                                     \
			__VA_ARGS__;                                                       \
			exit(0);                                                           \
		}                                                                      \
		int fork_s;                                                            \
		while (waitpid(fork_p, &fork_s, 0) == -1 && errno == EINTR)            \
			;                                                                  \
		show_status(name, fork_s);                                             \
	})

__attribute__((unused)) static void put_file(const char *name, const char *text) {
	int fd = MUST(open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644));
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

__attribute__((unused)) static void cat_file(const char *name) {
	char b[4096];
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof b - 1);
	if (n < 0) {
		printf("%s: %s\n", name, strerrorname_np(errno));
	} else {
		b[n] = 0;
		printf("%s: \"%s\"\n", name, b);
	}
	if (fd >= 0)
		close(fd);
}

__attribute__((unused)) static void ms(int n) {
	struct timespec t = {n / 1000, n % 1000 * 1000000L};
	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}
