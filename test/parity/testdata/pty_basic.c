// Pseudo terminals: canonical mode, editing, echo, sizes, raw mode.
#include "show.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m, s;

static void out(const char *what) {
	char b[256];
	ms(20);
	ssize_t n = read(m, b, sizeof b);
	printf("%s: %zd \"", what, n);
	for (ssize_t i = 0; i < n; i++)
		printf(b[i] < 32 || b[i] > 126 ? "\\%o" : "%c", (unsigned char)b[i]);
	puts("\"");
}

static void in(const char *what) {
	char b[256] = {0};
	ssize_t n = read(s, b, sizeof b - 1);
	printf("%s: %zd \"", what, n);
	for (ssize_t i = 0; i < n; i++)
		printf(b[i] < 32 || b[i] > 126 ? "\\%o" : "%c", (unsigned char)b[i]);
	puts("\"");
}

int main(void) {
	m = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	SHOW(open(ptsname(m), O_RDWR | O_NOCTTY));
	SHOW(unlockpt(m));
	s = SHOW(open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK));
	SHOW(isatty(m)), SHOW(isatty(s));
	printf("name is /dev/pts/N: %d\n", !strncmp(ptsname(m), "/dev/pts/", 9));
	struct termios t;
	SHOW(tcgetattr(s, &t));
	printf("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	printf("speed %o intr %d erase %d kill %d eof %d susp %d min %d time %d\n", cfgetospeed(&t), t.c_cc[VINTR], t.c_cc[VERASE], t.c_cc[VKILL], t.c_cc[VEOF], t.c_cc[VSUSP], t.c_cc[VMIN], t.c_cc[VTIME]);
	SHOW(write(m, "hel", 3)), in("half a line"), out("echo");
	SHOW(write(m, "lo\n", 3)), in("a line"), out("echo");
	write(m, "abc\177\177x\n", 7), in("erased"), out("echo");
	write(m, "one two\027three\n", 14), in("word erased"), out("echo");
	write(m, "gone\025kept\n", 10), in("line killed"), out("echo");
	write(m, "two\nlines\n", 10), in("first"), in("second"), out("echo");
	write(m, "part\004", 5), in("end of file after text"), write(m, "\004", 1), in("end of file"), out("echo");
	write(m, "a\rb\n", 4), in("return is newline"), in("rest"), out("echo");
	write(m, "\026\003\n", 3), in("quoted"), out("echo");
	write(m, "\001\n", 2), in("control"), out("echo");
	SHOW(write(s, "out\nput\n", 8)), out("newlines");
	t.c_lflag &= ~(ICANON | ECHO | ISIG);
	t.c_iflag &= ~ICRNL;
	t.c_oflag &= ~OPOST;
	SHOW(tcsetattr(s, TCSANOW, &t));
	write(m, "raw\r\003", 5), in("raw"), out("no echo");
	write(s, "x\ny", 3), out("no processing");
	struct winsize w = {24, 80, 1, 2}, v;
	SHOW(ioctl(m, TIOCGWINSZ, &v));
	printf("size at first %d %d\n", v.ws_row, v.ws_col);
	SHOW(ioctl(m, TIOCSWINSZ, &w));
	SHOW(ioctl(s, TIOCGWINSZ, &v));
	printf("size %d %d\n", v.ws_row, v.ws_col);
	int n;
	write(m, "count", 5), ms(20);
	SHOW(ioctl(s, FIONREAD, &n));
	printf("%d to read\n", n);
	SHOW(tcflush(s, TCIFLUSH)), in("flushed");
	SHOW(poll(&(struct pollfd){.fd = s, .events = POLLIN | POLLOUT}, 1, 0));
	SHOW(ioctl(s, TIOCGPGRP, &n));
	SHOW(tcgetattr(1, &t));
	SHOW(ioctl(s, 0x5499, &n));
	write(s, "last", 4);
	close(s);
	out("after close");
	out("and then");
	struct pollfd pf = {.fd = m, .events = POLLIN};
	SHOW(poll(&pf, 1, 0));
	printf("hung up %d\n", (pf.revents & POLLHUP) != 0);
	s = MUST(open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK));
	close(m);
	in("master gone");
	SHOW(write(s, "x", 1));
	SHOW(tcgetattr(s, &t));
	return 0;
}
