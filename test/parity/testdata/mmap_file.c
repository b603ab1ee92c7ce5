#include "t.h"

int main(int argc, char **argv) {
	spew("f", "hello world");
	int fd = open("f", O_RDWR);
	char *s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	s[0] = 'J';
	p[1] = 'X';
	printf("%.11s %.11s\n", s, p);
	show("f");
	R(pwrite(fd, "Z", 1, 5));
	printf("%c %c\n", s[5], p[5] == 'Z' || p[5] == ' ' ? '.' : '?');
	R(ftruncate(fd, 3));
	show("f");
	R(ftruncate(fd, 8192));
	printf("%d\n", s[100]);
	int ro = open("f", O_RDONLY);
	OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	char *q = mmap(0, 4096, PROT_READ, MAP_SHARED, ro, 0);
	R(mprotect(q, 4096, PROT_READ | PROT_WRITE));
	CHILD("beyond the end", { R(ftruncate(fd, 0)); s[0] = 1; });
	return 0;
}
