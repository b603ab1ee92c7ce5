// fork, vfork and clone with vfork's flags: order, sharing, descriptors.
#include "show.h"
#include <sched.h>

static char stack[65536];
static int shared;

static int child(void *arg) {
	shared = *(int *)arg;
	return 9;
}

int main(void) {
	int status, value = 1;
	pid_t p = vfork();
	if (p == 0) {
		value = 2;
		_exit(4);
	}
	printf("vfork shares memory: %d\n", value);
	waitpid(p, &status, 0);
	show_status("vfork", status);

	p = vfork();
	if (p == 0) {
		execl("/bin/sh", "sh", "-c", "echo from a vforked shell; exit 6", NULL);
		_exit(127);
	}
	waitpid(p, &status, 0);
	show_status("vfork and exec", status);

	int seven = 7;
	p = clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &seven);
	printf("clone: shared %d\n", shared);
	waitpid(p, &status, 0);
	show_status("clone", status);
	p = clone(child, stack + sizeof stack, SIGCHLD, &value);
	waitpid(p, &status, 0);
	printf("without CLONE_VM: shared %d\n", shared);

	put_file("f", "0123456789");
	int fd = MUST(open("f", O_RDONLY));
	char c;
	FORK("reader", { read(fd, &c, 1); });
	read(fd, &c, 1);
	printf("the offset is shared: %c\n", c);
	FORK("closer", { close(fd); });
	printf("the table is not: %zd\n", read(fd, &c, 1));
	int closer(void *a) { return close(*(int *)a); }
	p = clone(closer, stack + sizeof stack, CLONE_FILES | CLONE_VM | SIGCHLD, &fd);
	waitpid(p, &status, 0);
	SHOW(read(fd, &c, 1));
	int chdirer(void *a) { return chdir(a); }
	MUST(mkdir("d", 0755));
	p = clone(chdirer, stack + sizeof stack, CLONE_FS | CLONE_VM | SIGCHLD, "d");
	waitpid(p, &status, 0);
	SHOW(access("../f", F_OK));
	signal(SIGUSR1, SIG_IGN); // which does not reap: only SIGCHLD's would
	p = clone(child, stack + sizeof stack, CLONE_VM | SIGUSR1, &seven);
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(waitpid(p, &status, __WCLONE) == p);
	SHOW(clone(child, stack + sizeof stack, CLONE_THREAD, NULL));
	SHOW(clone(child, stack + sizeof stack, CLONE_SIGHAND, NULL));
	SHOW(clone(child, stack + sizeof stack, CLONE_NEWNS | CLONE_FS, NULL));
	return 0;
}
