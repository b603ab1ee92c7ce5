#include "t.h"

int main(int argc, char **argv) {
	R(mkfifo("f", 0644));
	R(open("f", O_WRONLY | O_NONBLOCK));
	int r = open("f", O_RDONLY | O_NONBLOCK);
	char b[10];
	R(read(r, b, 10));
	int w = open("f", O_WRONLY);
	R(read(r, b, 10));
	R(write(w, "abc", 3));
	R(read(r, b, 10));
	close(w);
	R(read(r, b, 10));
	close(r);
	fflush(stdout);
	if (fork() == 0) {
		w = open("f", O_WRONLY);
		write(w, "late", 4);
		_exit(0);
	}
	r = open("f", O_RDONLY);
	R(read(r, b, 10));
	wait(0);
	struct stat st;
	stat("f", &st);
	printf("%o\n", st.st_mode);
	return 0;
}
