#include "t.h"
#include <sys/ipc.h>
#include <sys/msg.h>

struct m {
	long type;
	char text[9000];
};

static int put(int id, long type, const char *text, int flags) {
	struct m m = {type};
	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), flags);
}

static void get(int id, long type, size_t size, int flags) {
	struct m m = {0};
	ssize_t n = msgrcv(id, &m, size, type, flags);
	if (n < 0)
		printf("get %ld: %s\n", type, strerrorname_np(errno));
	else
		printf("get %ld: %zd of type %ld: %.20s\n", type, n, m.type, m.text);
}

static void stat1(int id) {
	struct msqid_ds d;
	if (msgctl(id, IPC_STAT, &d)) {
		printf("IPC_STAT %s\n", strerrorname_np(errno));
		return;
	}
	printf("messages %lu bytes %lu of %lu mode %o sent %d received %d mine %d %d\n", d.msg_qnum, d.__msg_cbytes, d.msg_qbytes, d.msg_perm.mode,
	       d.msg_stime != 0, d.msg_rtime != 0, d.msg_lspid == getpid(), d.msg_lrpid == getpid());
}

static void nothing(int s) {}

// asleep waits until a process sleeps in a system call.
static void asleep(int pid) {
	char name[64], line[400] = "";
	sprintf(name, "/proc/%d/stat", pid);
	for (int i = 0; i < 2000; i++) {
		FILE *f = fopen(name, "r");
		if (f && fgets(line, sizeof line, f) && strstr(line, ") S "))
			i = 2000;
		if (f)
			fclose(f);
		usleep(5000);
	}
}

int main() {
	setvbuf(stdout, 0, _IONBF, 0);
	int key = 0x68000000 + getpid(), st;
	R(msgget(key, 0600));
	int id = msgget(key, IPC_CREAT | 0600);
	OK(id);
	R(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	R(msgget(key, 0600) == id);
	stat1(id);

	R(put(id, 0, "x", 0));
	R(put(id, -1, "x", 0));
	R(msgsnd(-1, (void *)1, 1, 0));
	struct m big = {1};
	R(msgsnd(id, &big, 8193, 0));
	R(msgsnd(id, &big, -1, 0));
	R(msgsnd(id, (void *)1, 1, 0));
	R(msgrcv(id, &big, -1, 0, 0));
	R(msgrcv(-1, &big, 1, 0, 0));
	get(id, 0, 100, IPC_NOWAIT);

	// Which one.
	R(put(id, 3, "three", 0));
	R(put(id, 1, "one", 0));
	R(put(id, 2, "two", 0));
	R(put(id, 3, "", 0));
	R(put(id, 5, "five", 0));
	stat1(id);
	get(id, 4, 100, IPC_NOWAIT);
	get(id, 2, 1, IPC_NOWAIT);
	get(id, 2, 1, IPC_NOWAIT | MSG_NOERROR);
	get(id, -2, 100, 0);
	get(id, 3, 100, IPC_NOWAIT | MSG_EXCEPT);
	get(id, -100, 100, IPC_NOWAIT);
	get(id, 0, 100, IPC_NOWAIT);
	get(id, LONG_MIN, 100, IPC_NOWAIT);
	R(put(id, 7, "seven", 0));
	R(put(id, 6, "six", 0));
	get(id, LONG_MIN, 100, IPC_NOWAIT);
	get(id, 1, 100, IPC_NOWAIT | MSG_COPY);
	get(id, 0, 100, IPC_NOWAIT | MSG_COPY);
	get(id, 0, 2, IPC_NOWAIT | MSG_COPY);
	get(id, 0, 2, IPC_NOWAIT | MSG_COPY | MSG_NOERROR);
	get(id, 0, 100, MSG_COPY);
	get(id, 0, 100, IPC_NOWAIT | MSG_COPY | MSG_EXCEPT);
	R(msgrcv(id, (void *)1, 100, 0, 0));
	stat1(id);

	// A full queue.
	int n = 0;
	while (!msgsnd(id, &big, 4000, IPC_NOWAIT))
		n++;
	printf("%d fit, then %s\n", n, strerrorname_np(errno));
	stat1(id);
	int pid = fork();
	if (!pid)
		_exit(msgsnd(id, &big, 4000, 0) ? errno : 0);
	asleep(pid);
	get(id, 0, 5000, 0);
	waitpid(pid, &st, 0);
	printf("there was room: %d\n", WEXITSTATUS(st));
	while (msgrcv(id, &big, 9000, 0, IPC_NOWAIT) >= 0)
		;
	struct msqid_ds d;
	R(msgctl(id, IPC_STAT, &d));
	d.msg_qbytes = 3;
	R(msgctl(id, IPC_SET, &d));
	for (int i = 0; i < 4; i++)
		R(put(id, 1, "", IPC_NOWAIT)); // as many messages as bytes
	while (msgrcv(id, &big, 9000, 0, IPC_NOWAIT) >= 0)
		;
	d.msg_qbytes = 10000;
	R(msgctl(id, IPC_SET, &d));
	stat1(id);

	// Sleepers.
	if ((pid = fork()) == 0) {
		get(id, 4, 3, 0);
		fflush(stdout);
		_exit(0);
	}
	asleep(pid);
	R(put(id, 3, "not this", 0));
	int r = put(id, 4, "too long", 0); // whom it is too long for gets an error, and it stays
	waitpid(pid, 0, 0);
	R(r);
	get(id, 4, 100, IPC_NOWAIT);
	if ((pid = fork()) == 0) {
		get(id, -2, 100, 0);
		fflush(stdout);
		_exit(0);
	}
	asleep(pid);
	r = put(id, 2, "for him", 0);
	waitpid(pid, 0, 0);
	R(r);
	stat1(id);
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, 0);
	struct itimerval it = {{0, 50000}, {0, 50000}}, off = {{0}};
	setitimer(ITIMER_REAL, &it, 0);
	get(id, 77, 100, 0);
	setitimer(ITIMER_REAL, &off, 0);

	// Who may.
	d.msg_perm.mode = 0604;
	R(msgctl(id, IPC_SET, &d));
	CHILD("a stranger", setgid(1000); setuid(1000); get(id, 3, 100, IPC_NOWAIT); R(put(id, 1, "x", IPC_NOWAIT)); R(msgget(key, 0600)); R(msgget(key, 0400) == id);
	      R(msgctl(id, IPC_RMID, 0)); R(msgctl(id, IPC_SET, &d)); stat1(id));
	if ((pid = fork()) == 0) {
		setgid(1000);
		setuid(1000);
		get(id, 9, 100, 0);
		fflush(stdout);
		_exit(0);
	}
	asleep(pid);
	d.msg_perm.mode = 0600;
	r = msgctl(id, IPC_SET, &d); // who sleeps may not any more
	waitpid(pid, 0, 0);
	R(r);

	// Its end wakes both.
	if ((pid = fork()) == 0) {
		get(id, 9, 100, 0);
		fflush(stdout);
		_exit(0);
	}
	asleep(pid);
	r = msgctl(id, IPC_RMID, 0);
	waitpid(pid, 0, 0);
	R(r);
	stat1(id);
	R(put(id, 1, "x", 0));
	R(msgget(key, 0600));

	// The list.
	R(unshare(CLONE_NEWIPC));
	id = msgget(0x1234, IPC_CREAT | 0640);
	int second = msgget(IPC_PRIVATE, 0600);
	printf("ids %d %d\n", id, second);
	R(put(id, 1, "abc", 0));
	char line[300];
	FILE *f = fopen("/proc/sysvipc/msg", "r");
	while (f && fgets(line, sizeof line, f))
		printf("%.51s %.24s\n", line, line + 63);
	if (f)
		fclose(f);
	struct msginfo mi;
	R(msgctl(0, MSG_INFO, (void *)&mi));
	printf("%d %d %d %d %d %d %d %d\n", mi.msgpool, mi.msgmap, mi.msgmax, mi.msgmnb, mi.msgmni, mi.msgssz, mi.msgtql, mi.msgseg);
	R(msgctl(0, IPC_INFO, (void *)&mi));
	printf("%d %d %d %d %d %d %d %d\n", mi.msgpool, mi.msgmap, mi.msgmax, mi.msgmnb, mi.msgmni, mi.msgssz, mi.msgtql, mi.msgseg);
	R(msgctl(1, MSG_STAT, &d) == second);
	R(msgctl(5, MSG_STAT, &d));
	for (const char **p = (const char *[]){"msgmax", "msgmnb", "msgmni", 0}; *p; p++) {
		sprintf(line, "/proc/sys/kernel/%s", *p);
		f = fopen(line, "r+");
		printf("%s %s", *p, fgets(line, sizeof line, f));
		rewind(f);
		fputs("2", f);
		fclose(f);
	}
	R(put(id, 1, "abc", 0));
	R(put(id, 1, "ab", 0));
	R(msgget(IPC_PRIVATE, 0600));
	R(msgctl(second, IPC_RMID, 0));
	int third = msgget(IPC_PRIVATE, 0600);
	printf("%d\n", third == second);
	stat1(third);
	R(shmget(0x99, 10000, IPC_CREAT | 0604) >= 0);
	f = fopen("/proc/sysvipc/shm", "r");
	while (f && fgets(line, sizeof line, f))
		printf("%.10s %.29s %.30s\n", line, line + 21, line + 63);
}
