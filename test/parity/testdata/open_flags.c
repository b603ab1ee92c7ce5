#include "t.h"

int main(int argc, char **argv) {
	R(open("none", O_RDONLY));
	OK(open("a", O_CREAT | O_EXCL | O_WRONLY, 0600));
	R(open("a", O_CREAT | O_EXCL, 0600));
	R(open("a/b", O_RDONLY));
	R(open("a", O_RDONLY | O_DIRECTORY));
	R(open(".", O_WRONLY));
	R(open(".", O_CREAT | O_RDONLY, 0600));
	R(open("new/", O_CREAT | O_RDWR, 0600));
	symlink("a", "l");
	R(open("l", O_RDONLY | O_NOFOLLOW));
	symlink("nowhere", "dangling");
	OK(open("dangling", O_CREAT | O_WRONLY, 0600));
	R(access("nowhere", F_OK));
	symlink("loop", "loop");
	R(open("loop", O_RDONLY));
	R(open("", O_RDONLY));
	R(open((char *)1, O_RDONLY));
	char big[5000];
	memset(big, 'x', 4999);
	big[4999] = 0;
	R(open(big, O_RDONLY));
	big[300] = 0;
	R(open(big, O_RDONLY));
	int fd = open("a", O_WRONLY);
	char c;
	R(read(fd, &c, 1));
	int p = open("a", O_PATH);
	R(read(p, &c, 1));
	R(fchmod(p, 0644));
	R(fcntl(p, F_GETFL) & O_PATH ? 1 : 0);
	fd = open("a", O_WRONLY | O_APPEND);
	write(fd, "one", 3);
	lseek(fd, 0, SEEK_SET);
	write(fd, "two", 3);
	show("a");
	close(open("a", O_WRONLY | O_TRUNC));
	show("a");
	umask(077);
	close(open("m", O_CREAT | O_WRONLY, 0666));
	struct stat s;
	stat("m", &s);
	printf("%o\n", s.st_mode);
	return 0;
}
