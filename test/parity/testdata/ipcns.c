// IPC namespaces: what clone and unshare make, and what is in them.
#include "t.h"
#include <mqueue.h>
#include <sched.h>
#include <sys/mount.h>

static char name[64], first[64];

static void look(const char *who) {
	char now[64] = {0};
	if (readlink("/proc/self/ns/ipc", now, sizeof now - 1) < 0)
		perror("readlink");
	printf("%s: %s namespace\n", who, strcmp(now, first) ? "another" : "the first");
	mqd_t q = mq_open(name, O_RDWR);
	printf("%s: mq_open %s\n", who, q < 0 ? strerrorname_np(errno) : "ok");
	if (q >= 0)
		mq_close(q);
	fflush(stdout);
}

static void limit(const char *who, const char *set) {
	char b[32] = {0};
	int fd = open("/proc/sys/fs/mqueue/msg_max", set ? O_RDWR : O_RDONLY);
	if (set)
		R(write(fd, set, strlen(set)) > 0 ? 0 : -1);
	lseek(fd, 0, SEEK_SET);
	if (read(fd, b, sizeof b - 1) < 0)
		perror("read");
	printf("%s: msg_max %s", who, b);
	close(fd);
	fflush(stdout);
}

static void child(const char *who, int flags) {
	pid_t pid = fork();
	if (pid == 0) {
		R(unshare(flags));
		look(who);
		limit(who, "20");
		mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
		R(q < 0 ? -1 : 0);
		R(mq_send(q, "x", 1, 0));
		pid_t grandchild = fork();
		if (grandchild == 0) {
			look("its child");
			_exit(0);
		}
		waitpid(grandchild, NULL, 0);
		R(mq_unlink(name));
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("status %x\n", status);
}

int main(void) {
	snprintf(name, sizeof name, "/ipcns-%d", getpid());
	if (readlink("/proc/self/ns/ipc", first, sizeof first - 1) < 0)
		perror("readlink");
	// The machine's own limits are not changed.
	R(unshare(CLONE_NEWIPC));
	look("alone");
	memset(first, 0, sizeof first);
	if (readlink("/proc/self/ns/ipc", first, sizeof first - 1) < 0)
		perror("readlink");
	mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
	R(q < 0 ? -1 : 0);
	look("made");
	limit("made", "15");
	child("unshared", CLONE_NEWIPC);
	child("with files", CLONE_NEWIPC | CLONE_FS | CLONE_FILES);
	limit("afterwards", NULL);
	look("afterwards");
	// A queue that is open is reached whatever the namespace is.
	R(unshare(CLONE_NEWIPC));
	look("left");
	R(mq_send(q, "still", 5, 1));
	char b[8192];
	printf("%zd\n", mq_receive(q, b, sizeof b, NULL));
	return 0;
}
