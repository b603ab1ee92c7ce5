#include "t.h"

int main(int argc, char **argv) {
	int m = posix_openpt(O_RDWR | O_NOCTTY);
	R(grantpt(m));
	R(unlockpt(m));
	int s = open(ptsname(m), O_RDWR | O_NOCTTY);
	R(isatty(s));
	struct winsize w = {24, 80}, g;
	R(ioctl(m, TIOCSWINSZ, &w));
	R(ioctl(s, TIOCGWINSZ, &g));
	printf("%d %d\n", g.ws_row, g.ws_col);
	char b[100];
	R(write(m, "hello\n", 6));
	R(read(s, b, 100));
	R(read(m, b, 100));
	printf("%d\n", b[5]);
	R(write(m, "abc\177\177d\n", 7));
	R(read(s, b, 100));
	R(read(m, b, 100));
	R(write(s, "out\n", 4));
	R(read(m, b, 100));
	R(write(m, "x\004", 2));
	R(read(s, b, 100));
	struct termios t;
	R(tcgetattr(s, &t));
	printf("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	cfmakeraw(&t);
	R(tcsetattr(s, TCSANOW, &t));
	R(tcflush(m, TCIOFLUSH));
	R(write(m, "r", 1));
	R(read(s, b, 100));
	int n;
	R(ioctl(s, FIONREAD, &n));
	R(tcgetpgrp(s));
	CHILD("controlling", {
		setsid();
		R(ioctl(s, TIOCSCTTY, 0));
		R(tcgetpgrp(s) == getpid());
		R(tcgetsid(s) == getpid());
		R(open("/dev/tty", O_RDWR) >= 0);
		tcgetattr(s, &t);
		t.c_lflag |= ISIG;
		tcsetattr(s, TCSANOW, &t);
		write(m, "\003", 1);
		msleep(1000);
	});
	close(s);
	R(read(m, b, 100));
	close(m);
	R(open("/dev/tty", O_RDWR) >= 0 ? 0 : 0);
	return 0;
}
