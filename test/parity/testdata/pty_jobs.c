// Controlling terminals: ^C ^\ ^Z, foreground groups, SIGTTIN, SIGTTOU, hangup.
#include "show.h"
#include <sys/ioctl.h>
#include <termios.h>

static int m, s, st, ready[2];
static volatile int got;
static void handler(int sig) { got = sig; }

static pid_t job(void) {
	pid_t p = fork();
	if (p == 0) {
		signal(SIGINT, SIG_DFL);
		setpgid(0, 0);
		write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	char c;
	read(ready[0], &c, 1);
	return p;
}

static void session(void) {
	setsid();
	SHOW(ioctl(s, TIOCSCTTY, 0));
	SHOW(tcgetpgrp(s) == getpid());
	SHOW(tcgetsid(s) == getpid());
	SHOW(open("/dev/tty", O_RDWR) > 0);
	signal(SIGINT, handler), signal(SIGWINCH, handler), signal(SIGTTOU, SIG_IGN);
	write(m, "\003", 1);
	ms(20);
	printf("^C: SIG%s\n", sigabbrev_np(got));
	struct winsize w = {30, 100, 0, 0};
	ioctl(m, TIOCSWINSZ, &w);
	ms(20);
	printf("size: SIG%s\n", sigabbrev_np(got));
	pid_t p = job();
	SHOW(tcsetpgrp(s, p));
	got = 0;
	write(m, "\032", 1);
	waitpid(p, &st, WUNTRACED), show_status("^Z", st);
	kill(p, SIGCONT);
	write(m, "\003", 1);
	waitpid(p, &st, 0), show_status("^C", st);
	printf("the shell got %d\n", got);
	p = job();
	SHOW(tcsetpgrp(s, p));
	write(m, "\034", 1);
	waitpid(p, &st, 0), show_status("^\\", st & ~0x80);
	SHOW(tcsetpgrp(s, getpid()));
	SHOW(tcsetpgrp(s, 1 << 22));
	SHOW(tcsetpgrp(s, -1));
	p = fork();
	if (p == 0) {
		signal(SIGTTOU, SIG_DFL);
		setpgid(0, 0);
		char c;
		read(s, &c, 1);
		_exit(1);
	}
	waitpid(p, &st, WUNTRACED), show_status("background read", st);
	kill(p, SIGKILL), waitpid(p, &st, 0);
	p = fork();
	if (p == 0) {
		signal(SIGTTOU, SIG_DFL);
		setpgid(0, 0);
		struct termios t;
		tcgetattr(s, &t);
		write(s, "allowed", 7); // no TOSTOP
		tcsetattr(s, TCSANOW, &t);
		_exit(1);
	}
	waitpid(p, &st, WUNTRACED), show_status("background tcsetattr", st);
	kill(p, SIGKILL), waitpid(p, &st, 0);
	p = fork();
	if (p == 0) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_IGN);
		char c;
		SHOW(read(s, &c, 1));
		_exit(0);
	}
	waitpid(p, &st, WUNTRACED), show_status("ignoring SIGTTIN", st);
	signal(SIGHUP, handler);
	got = 0;
	close(m);
	ms(20);
	printf("hangup: SIG%s\n", sigabbrev_np(got));
	char c;
	SHOW(read(s, &c, 1));
	SHOW(open("/dev/tty", O_RDWR));
	_exit(0);
}

int main(void) {
	MUST(pipe(ready));
	m = MUST(posix_openpt(O_RDWR | O_NOCTTY));
	MUST(unlockpt(m));
	s = MUST(open(ptsname(m), O_RDWR | O_NOCTTY));
	pid_t p = fork();
	if (p == 0)
		session();
	close(m);
	waitpid(p, &st, 0);
	show_status("session", st);
	FORK("leader's death", {
		setsid();
		m = MUST(posix_openpt(O_RDWR | O_NOCTTY)), unlockpt(m);
		s = MUST(open(ptsname(m), O_RDWR)); // becomes the controlling terminal
		SHOW(tcgetpgrp(s) == getpid());
		signal(SIGHUP, SIG_IGN);
		SHOW(ioctl(s, TIOCNOTTY));
		SHOW(ioctl(s, TIOCNOTTY));
		SHOW(open("/dev/tty", O_RDWR));
	});
	return 0;
}
