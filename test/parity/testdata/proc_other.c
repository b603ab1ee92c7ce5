// /proc of other processes: children, zombies, threads, environ, comm.
#include "show.h"
#include <dirent.h>
#include <pthread.h>

static char state_of(pid_t p) {
	char name[64], b[512] = {0};
	snprintf(name, sizeof name, "/proc/%d/stat", p);
	int fd = open(name, O_RDONLY);
	if (fd < 0)
		return '-';
	read(fd, b, sizeof b - 1);
	close(fd);
	char *e = strrchr(b, ')');
	return e ? e[2] : '?';
}

static int in_proc(pid_t p) {
	DIR *d = opendir("/proc");
	int found = 0;
	for (struct dirent *e; (e = readdir(d));)
		found += atoi(e->d_name) == p;
	closedir(d);
	return found;
}

static char becomes(pid_t p, char want) {
	for (int i = 0; i < 1000 && state_of(p) != want; i++)
		ms(1);
	return state_of(p);
}

static void *thread(void *arg) {
	pthread_setname_np(pthread_self(), "worker");
	*(volatile pid_t *)arg = gettid();
	pause();
	return NULL;
}

int main(void) {
	char name[64], b[256];
	pid_t p = fork();
	if (p == 0)
		for (;;)
			pause();
	printf("sleeping %c listed %d\n", becomes(p, 'S'), in_proc(p));
	kill(p, SIGSTOP);
	printf("stopped %c\n", becomes(p, 'T'));
	kill(p, SIGKILL);
	printf("zombie %c listed %d\n", becomes(p, 'Z'), in_proc(p));
	snprintf(name, sizeof name, "/proc/%d/cmdline", p);
	int fd = MUST(open(name, O_RDONLY));
	SHOW(read(fd, b, sizeof b));
	snprintf(name, sizeof name, "/proc/%d/exe", p);
	SHOW(readlink(name, b, sizeof b));
	snprintf(name, sizeof name, "/proc/%d", p);
	int dir = MUST(open(name, O_RDONLY | O_DIRECTORY));
	waitpid(p, NULL, 0);
	printf("gone %c listed %d\n", state_of(p), in_proc(p));
	SHOW(openat(dir, "stat", O_RDONLY));
	SHOW(read(fd, b, sizeof b));
	p = fork();
	if (p == 0) {
		execle("/bin/sleep", "a-name", "100", NULL, (char *[]){"VAR=value", NULL});
		_exit(1);
	}
	becomes(p, 'S');
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "/proc/%d/comm", p);
		fd = open(name, O_RDONLY);
		ssize_t n = read(fd, b, sizeof b - 1);
		close(fd);
		b[n > 0 ? n : 0] = 0;
		if (!strcmp(b, "sleep\n"))
			break;
		ms(2);
	}
	printf("comm %s", b);
	snprintf(name, sizeof name, "/proc/%d/cmdline", p);
	fd = MUST(open(name, O_RDONLY));
	SHOW(read(fd, b, sizeof b));
	printf("%s %s\n", b, b + 7);
	snprintf(name, sizeof name, "/proc/%d/environ", p);
	fd = MUST(open(name, O_RDONLY));
	SHOW(read(fd, b, sizeof b));
	puts(b);
	kill(p, SIGKILL), waitpid(p, NULL, 0);
	volatile pid_t tid = 0;
	pthread_t t;
	pthread_create(&t, NULL, thread, (void *)&tid);
	while (!tid)
		ms(1);
	ms(10);
	snprintf(name, sizeof name, "/proc/self/task/%d/comm", tid);
	fd = MUST(open(name, O_RDONLY));
	ssize_t n = read(fd, b, sizeof b - 1);
	b[n > 0 ? n : 0] = 0;
	printf("%s", b);
	SHOW(in_proc(tid));
	snprintf(name, sizeof name, "/proc/%d", tid);
	SHOW(access(name, F_OK));
	int w = MUST(open("/proc/self/comm", O_WRONLY));
	SHOW(write(w, "renamed", 7));
	cat_file("/proc/thread-self/comm");
	return 0;
}
