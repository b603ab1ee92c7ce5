#include "t.h"

// How much a terminal takes whose slave nobody reads, and that all of it arrives.

static int m, s;

static long fill(const char *b, int n) {
	long all = 0;
	for (;;) {
		long k = write(m, b, n);
		if (k < 0)
			break;
		all += k;
	}
	printf("full: %s, some %d, not all %d\n", strerror(errno), all > 4096, all < 400000);
	return all;
}

static int writable(void) {
	struct pollfd p = {m, POLLOUT};
	return poll(&p, 1, 0) == 1;
}

static void drain(long want) {
	char b[8192];
	long got = 0, k;
	for (int idle = 0; idle < 20; idle++) {
		while ((k = read(s, b, sizeof b)) > 0) {
			got += k;
			idle = 0;
			while (read(m, b, sizeof b) > 0)
				;
		}
		msleep(10); // Linux moves on in the background
	}
	printf("all but a line's begin: %d, room %d\n", want - got >= 0 && want - got < 3, writable());
}

int main(int argc, char **argv) {
	m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	R(grantpt(m));
	R(unlockpt(m));
	s = open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK);
	char b[8192];
	drain(fill("ab\nab\nab\n", 9));
	R(tcflush(s, TCIOFLUSH));
	long k = fill("\n", 1);
	R(writable());
	drain(k);
	struct termios t;
	tcgetattr(s, &t);
	t.c_lflag &= ~ICANON;
	tcsetattr(s, TCSANOW, &t);
	drain(fill("xyz", 3));
	t.c_lflag |= ICANON;
	tcsetattr(s, TCSANOW, &t);
	R(tcflush(s, TCIOFLUSH));
	R(write(m, "\004\004\004", 3));
	msleep(50);
	for (int i = 0; i < 3; i++)
		R(read(s, b, sizeof b));
	for (int i = 0; i < 6; i++)
		write(m, "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", 64);
	R(write(m, "\177\177r\n", 4));
	msleep(50);
	long n = read(s, b, sizeof b);
	printf("%ld %c\n", n, b[n - 2]);
	R(read(m, b, 0));
	return 0;
}
