// A file is run or written to, not both.
#include "t.h"

static void copy(const char *from, const char *to) {
	char buf[1 << 16];
	int a = open(from, O_RDONLY), b = open(to, O_CREAT | O_WRONLY, 0755);
	for (ssize_t n; (n = read(a, buf, sizeof buf)) > 0;)
		if (write(b, buf, n) != n)
			abort();
	close(a);
	close(b);
}

static long run(const char *name) {
	pid_t p = fork();
	if (!p) {
		execl(name, name, "child", NULL);
		_exit(errno);
	}
	int status;
	waitpid(p, &status, 0);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
	if (argc > 1) {
		R(open(argv[0], O_WRONLY));
		R(open(argv[0], O_RDONLY | O_TRUNC));
		R(truncate(argv[0], 1));
		OK(open(argv[0], O_RDONLY));
		R(unlink(argv[0]));
		fflush(stdout);
		return 7;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	copy("/proc/self/exe", "a");
	copy("/proc/self/exe", "b");
	printf("%ld\n", run("./a"));
	int fd = open("b", O_RDWR);
	R(run("./b") == ETXTBSY);
	close(fd);
	printf("%ld\n", run("./b"));
	copy("/proc/self/exe", "c");
	chmod("c", 0755);
	for (int i = 0; i < 20; i++) { // it may be written to once it has ended
		if (run("/bin/true"))
			puts("true failed");
		fd = open("c", O_WRONLY | O_APPEND);
		if (fd < 0)
			perror("write c");
		close(fd);
	}
	int mem = memfd_create("m", 0);
	fd = open("/proc/self/exe", O_RDONLY);
	struct stat s;
	fstat(fd, &s);
	R(sendfile(mem, fd, NULL, s.st_size) == s.st_size);
	pid_t p = fork();
	if (!p) {
		char *args[] = {"nowhere", "child", NULL}, *env[] = {NULL};
		fexecve(mem, args, env);
		_exit(errno);
	}
	int status;
	waitpid(p, &status, 0);
	printf("%d\n", WEXITSTATUS(status));
	return 0;
}
