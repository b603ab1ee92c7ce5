// Processes that append to one file, and threads that share one offset: no
// write is lost or split.
#include "show.h"
#include <pthread.h>

static int fd;
static void *writer(void *arg) {
	char line[33];
	memset(line, 'a' + (int)(long)arg, 32);
	for (int i = 0; i < 200; i++)
		write(fd, line, 32);
	return NULL;
}

static void check(const char *name, int per) {
	static char b[1 << 20];
	int f = MUST(open(name, O_RDONLY));
	long n = 0, r;
	while ((r = read(f, b + n, sizeof b - n)) > 0)
		n += r;
	int mixed = 0, count[26] = {0};
	for (long i = 0; i + 32 <= n; i += 32) {
		for (int k = 0; k < 32; k++)
			mixed += b[i + k] != b[i];
		if (b[i] >= 'a' && b[i] <= 'z')
			count[b[i] - 'a']++;
	}
	printf("%s: size %ld mixed %d full %d\n", name, n, mixed, count[0] == per && count[3] == per);
}

int main(void) {
	fd = MUST(open("threads", O_CREAT | O_WRONLY, 0644));
	pthread_t t[4];
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, writer, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	check("threads", 200);
	for (long i = 0; i < 4; i++)
		if (fork() == 0) {
			fd = open("processes", O_CREAT | O_WRONLY | O_APPEND, 0644);
			writer((void *)i);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	check("processes", 200);
	// Only one of many creators wins.
	int won = 0, st;
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(open("lock", O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0);
	while (wait(&st) > 0)
		won += WEXITSTATUS(st);
	printf("creators that won %d\n", won);
	won = 0;
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(rename("lock", "taken") == 0);
	while (wait(&st) > 0)
		won += WEXITSTATUS(st);
	printf("renamers that won %d\n", won);
	return 0;
}
