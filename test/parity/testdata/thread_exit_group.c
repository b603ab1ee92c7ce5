#include "t.h"

static void *ends(void *a) { exit(4); }

static void *later(void *a) {
	msleep(30);
	exit(5);
}

static void *execs(void *a) {
	execl("/bin/sh", "sh", "-c", "exit 6", (char *)0);
	return 0;
}

int main(int argc, char **argv) {
	CHILD("exit from a thread", {
		pthread_t t;
		pthread_create(&t, 0, ends, 0);
		for (;;)
			pause();
	});
	CHILD("leader leaves first", {
		pthread_t t;
		pthread_create(&t, 0, later, 0);
		pthread_exit(0);
	});
	CHILD("exec from a thread", {
		pthread_t t;
		pthread_create(&t, 0, execs, 0);
		for (;;)
			pause();
	});
	return 0;
}
