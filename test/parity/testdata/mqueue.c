// POSIX message queues: names, priorities, limits, waiting, notification.
#include "t.h"
#include <mqueue.h>

static char name[64];
static char buf[16384];

static struct mq_attr attr_of(long max, long size) {
	struct mq_attr a = {0};
	a.mq_maxmsg = max;
	a.mq_msgsize = size;
	return a;
}

static void print_attr(mqd_t q) {
	struct mq_attr a;
	memset(&a, 0x55, sizeof a);
	R(mq_getattr(q, &a));
	printf("flags %lx max %ld size %ld now %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void take(mqd_t q) {
	unsigned prio = 99;
	errno = 0;
	ssize_t n = mq_receive(q, buf, sizeof buf, &prio);
	if (n < 0)
		printf("receive: %s\n", strerrorname_np(errno));
	else
		printf("received %zd \"%.*s\" prio %u\n", n, (int)n, buf, prio);
}

static void ready(mqd_t q) {
	struct pollfd p = {q, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, 0};
	int n = poll(&p, 1, 0);
	printf("poll %d %x\n", n, p.revents);
}

static void line(mqd_t q) {
	char b[128] = {0};
	ssize_t n = pread(q, b, sizeof b - 1, 0);
	char *pid = strstr(b, "NOTIFY_PID:");
	int who = pid ? atoi(pid + 11) : -1;
	if (pid)
		*pid = 0;
	printf("read %zd %s pid %s\n", n, b, who == 0 ? "none" : who == getpid() ? "mine" : "another");
}

static struct timespec in_ms(int ms) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void names(void) {
	struct mq_attr a = attr_of(4, 100);
	R(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, 0));
	R(syscall(SYS_mq_open, "/a", O_RDWR | O_CREAT, 0600, 0));
	R(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, 0));
	R(syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, 0));
	R(syscall(SYS_mq_open, "..", O_RDONLY, 0, 0));
	R(syscall(SYS_mq_open, (char *)1, O_RDWR, 0600, 0));
	R(syscall(SYS_mq_open, "a", O_RDWR, 0600, (void *)1));
	char longname[400];
	memset(longname, 'x', sizeof longname);
	longname[256] = 0;
	R(syscall(SYS_mq_open, longname, O_RDWR | O_CREAT, 0600, 0));
	R(syscall(SYS_mq_unlink, longname));
	R(syscall(SYS_mq_unlink, "a/b"));
	R(syscall(SYS_mq_unlink, ""));
	R(mq_unlink(name));
	R(mq_open(name, O_RDWR));
	OK(mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	R(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
	R(mq_open(name, 3));
	R(mq_unlink(name));
	R(mq_unlink(name));
	long bad[][2] = {{0, 10}, {10, 0}, {-1, 10}, {65537, 1}, {1, 16777217}};
	for (int i = 0; i < 5; i++) {
		struct mq_attr b = attr_of(bad[i][0], bad[i][1]);
		errno = 0;
		mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &b);
		printf("attr %ld %ld: %s\n", bad[i][0], bad[i][1], q == -1 ? strerrorname_np(errno) : "ok");
		if (q != -1)
			mq_unlink(name);
	}
}

static void messages(void) {
	struct mq_attr a = attr_of(4, 100);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0640, &a);
	mqd_t r = mq_open(name, O_RDONLY), w = mq_open(name, O_WRONLY);
	struct stat st;
	R(fstat(q, &st));
	printf("mode %o size %ld nlink %ld\n", st.st_mode, (long)st.st_size, (long)st.st_nlink);
	R(fcntl(q, F_GETFD));
	print_attr(q);
	ready(q);
	line(q);
	R(mq_send(q, "low", 3, 1));
	R(mq_send(q, "high", 4, 30));
	R(mq_send(w, "low2", 4, 1));
	ready(q);
	R(mq_send(q, "", 0, 32767));
	R(mq_send(q, "x", 1, 32768));
	R(mq_send(q, "x", 1, 0));
	R(mq_send(q, buf, 101, 0));
	R(mq_send(r, "x", 1, 0));
	R(mq_send(0, "x", 1, 0));
	R(mq_send(999, "x", 1, 0));
	R(syscall(SYS_mq_timedsend, w, (char *)1, 5, 0, 0));
	R(mq_receive(q, buf, 99, 0));
	R(mq_receive(w, buf, 100, 0));
	ready(q);
	line(q);
	print_attr(q);
	R(write(q, "x", 1));
	R(lseek(q, 10, SEEK_SET));
	for (int i = 0; i < 5; i++)
		take(q);
	R(mq_send(q, "lost", 4, 0));
	R(syscall(SYS_mq_timedreceive, q, (char *)1, 100, 0, 0));
	take(q);
	R(mq_send(q, "lost", 4, 0));
	R(syscall(SYS_mq_timedreceive, q, buf, 100, (void *)1, 0));
	take(q);
	struct mq_attr set = {.mq_flags = O_NONBLOCK}, old;
	R(mq_setattr(r, &set, &old));
	printf("old flags %lx\n", old.mq_flags);
	print_attr(r);
	set.mq_flags = O_APPEND;
	R(mq_setattr(r, &set, &old));
	R(syscall(SYS_mq_getsetattr, r, (void *)1, 0));
	R(syscall(SYS_mq_getsetattr, r, 0, (void *)1));
	R(syscall(SYS_mq_getsetattr, r, 0, 0));
	R(mq_unlink(name));
	R(fstat(q, &st));
	printf("nlink %ld\n", (long)st.st_nlink);
	R(mq_send(q, "after", 5, 0));
	take(q);
	mq_close(q), mq_close(r), mq_close(w);
}

static void handler(int sig) {}

static void waiting(void) {
	struct mq_attr a = attr_of(1, 10);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	struct timespec t = in_ms(20), past = {0}, bad = {0, 1000000000}, neg = {-1, 0};
	R(mq_timedreceive(q, buf, 10, 0, &t));
	R(mq_timedreceive(q, buf, 10, 0, &past));
	R(mq_timedreceive(q, buf, 10, 0, &bad));
	R(mq_timedreceive(999, buf, 10, 0, &bad));
	R(mq_timedreceive(q, buf, 10, 0, &neg));
	R(syscall(SYS_mq_timedreceive, q, buf, 10, 0, (void *)1));
	R(mq_timedsend(q, "one", 3, 0, &past));
	t = in_ms(20);
	R(mq_timedsend(q, "two", 3, 0, &t));
	R(mq_timedsend(q, "two", 3, 0, &past));
	take(q);
	// A receiver waits, a sender comes.
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		msleep(50);
		mq_send(q, "hello", 5, 7);
		_exit(0);
	}
	take(q);
	waitpid(p, 0, 0);
	// A sender waits, a receiver comes: the waiting message keeps its rank.
	mq_send(q, "first", 5, 0);
	fflush(stdout);
	p = fork();
	if (p == 0)
		_exit(mq_send(q, "second", 6, 3) == 0 ? 0 : 1);
	msleep(100);
	take(q);
	take(q);
	int s;
	waitpid(p, &s, 0);
	status("sender", s);
	// Signals: restarted or not.
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
		sigaction(SIGALRM, &sa, 0);
		struct itimerval it = {{0, 0}, {0, 30000}};
		setitimer(ITIMER_REAL, &it, 0);
		t = in_ms(120);
		R(mq_timedreceive(q, buf, 10, 0, &t));
	}
	mq_unlink(name);
	mq_close(q);
}

static void notification(void) {
	struct mq_attr a = attr_of(4, 10);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	mqd_t q2 = dup(q);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, 0);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
	struct timespec none = {0}, second = {2, 0};
	siginfo_t si;
	R(mq_notify(999, &ev));
	R(mq_notify(0, &ev));
	R(mq_notify(q, &ev));
	line(q);
	R(mq_notify(q2, &ev));
	CHILD("other", R(mq_notify(q, &ev)); R(mq_notify(q, 0)); line(q); mq_send(q, "m", 1, 0));
	R(sigtimedwait(&set, &si, &second));
	printf("code %d value %d uid %d\n", si.si_code, si.si_int, si.si_uid == getuid());
	line(q);
	mq_send(q, "m", 1, 0);
	R(mq_notify(q, &ev));
	mq_send(q, "m", 1, 0); // the queue was not empty
	R(sigtimedwait(&set, &si, &none));
	take(q), take(q), take(q);
	mq_send(q, "m", 1, 0);
	R(sigtimedwait(&set, &si, &second));
	printf("from me %d\n", si.si_pid == getpid());
	take(q);
	R(mq_notify(q, &ev));
	R(mq_notify(q, 0));
	mq_send(q, "m", 1, 0);
	R(sigtimedwait(&set, &si, &none));
	take(q);
	R(mq_notify(q, &ev));
	close(q2);
	line(q);
	ev.sigev_notify = SIGEV_NONE;
	R(mq_notify(q, &ev));
	line(q);
	mq_send(q, "m", 1, 0);
	line(q);
	take(q);
	ev.sigev_notify = 77;
	R(mq_notify(q, &ev));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 65;
	R(mq_notify(q, &ev));
	ev.sigev_signo = -1;
	R(mq_notify(q, &ev));
	R(syscall(SYS_mq_notify, q, (void *)1));
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_value.sival_ptr = (void *)1;
	R(syscall(SYS_mq_notify, q, &ev));
	ev.sigev_value.sival_ptr = buf;
	ev.sigev_signo = 999;
	R(syscall(SYS_mq_notify, q, &ev));
	ev.sigev_signo = 1;
	// What waits for a message gets it, not who is told.
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = SIGUSR1;
	R(mq_notify(q, &ev));
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		msleep(80);
		mq_send(q, "w", 1, 0);
		_exit(0);
	}
	take(q);
	waitpid(p, 0, 0);
	R(sigtimedwait(&set, &si, &none));
	line(q);
	mq_unlink(name);
	mq_close(q);
}

static void limits(void) {
	struct mq_attr a = attr_of(10, 1000);
	CHILD("rlimit",
	      struct rlimit l = {20000, 20000};
	      setrlimit(RLIMIT_MSGQUEUE, &l);
	      if (getuid() == 0) setresuid(54321, 54321, 54321);
	      OK(mq_open(name, O_RDWR | O_CREAT, 0666, &a));
	      R(mq_open("/hull-parity-second", O_RDWR | O_CREAT, 0666, &a));
	      a.mq_maxmsg = 70000;
	      R(mq_open("/hull-parity-second", O_RDWR | O_CREAT, 0666, &a)));
	CHILD("other user",
	      if (getuid() == 0) setresuid(12345, 12345, 12345);
	      R(mq_unlink(name)));
	CHILD("no permission",
	      if (getuid() == 0) { chmod("/dev/null", 0666); setresuid(54321, 54321, 54321); }
	      mqd_t q = mq_open("/hull-parity-third", O_RDWR | O_CREAT, 0, 0);
	      printf("created %d\n", q >= 0);
	      R(mq_open("/hull-parity-third", O_RDONLY));
	      R(mq_unlink("/hull-parity-third")));
	mq_unlink(name);
}

int main(void) {
	umask(022);
	snprintf(name, sizeof name, "/hull-parity-%d", getpid());
	names();
	messages();
	waiting();
	notification();
	limits();
	return 0;
}
