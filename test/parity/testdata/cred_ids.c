// User and group ids: what root may, what others may, saved ids, fsuid.
// needs: root
#include "show.h"
#include <grp.h>
#include <sys/fsuid.h>

static void ids(void) {
	uid_t r, e, s;
	gid_t a, b, c;
	getresuid(&r, &e, &s), getresgid(&a, &b, &c);
	printf("  uid %d %d %d gid %d %d %d\n", r, e, s, a, b, c);
}

int main(void) {
	ids();
	FORK("setuid", {
		SHOW(setgid(100)), SHOW(setuid(1000)), ids();
		SHOW(setuid(0)), SHOW(setgid(0)), SHOW(seteuid(0)), SHOW(setuid(1000)), SHOW(setgid(100));
		SHOW(setgroups(0, NULL));
		SHOW(setresuid(-1, -1, 5));
	});
	FORK("seteuid", {
		SHOW(seteuid(1000)), ids();
		SHOW(setuid(7));
		SHOW(seteuid(0)), ids();
		SHOW(setreuid(5, 6)), ids();
		SHOW(setreuid(6, 5)), ids();
		SHOW(setreuid(-1, 0));
	});
	FORK("setresuid", {
		SHOW(setresuid(1, 2, 3)), ids();
		SHOW(setresuid(3, 1, 2)), ids();
		SHOW(setresuid(4, -1, -1));
		SHOW(setuid(2)), ids();
	});
	FORK("setreuid and the saved id", {
		SHOW(setreuid(1000, -1)), ids();
		SHOW(setreuid(-1, 1000)), ids();
	});
	FORK("groups", {
		gid_t g[3] = {30, 10, 20};
		SHOW(setgroups(3, g));
		SHOW(getgroups(0, NULL));
		gid_t h[3];
		SHOW(getgroups(2, h));
		SHOW(getgroups(3, h));
		printf("%d %d %d\n", h[0], h[1], h[2]);
		SHOW(setgroups(70000, g));
		SHOW(setregid(1, 2)), ids();
		SHOW(setresgid(3, 4, 5)), ids();
		SHOW(setegid(9)), ids();
	});
	FORK("fsuid", {
		put_file("mine", "x"), chmod("mine", 0600);
		SHOW(setfsuid(1000));
		SHOW(setfsuid(-1));
		SHOW(open("mine", O_RDONLY));
		SHOW(setfsuid(0));
		SHOW(open("mine", O_RDONLY) > 0);
		SHOW(setfsgid(5)), SHOW(setfsgid(-1));
	});
	FORK("kill others", {
		pid_t p = fork();
		if (p == 0) {
			for (;;)
				pause();
		}
		MUST(setuid(1000));
		SHOW(kill(p, SIGTERM));
		SHOW(kill(p, 0));
		SHOW(setpgid(p, p));
		pid_t q = fork();
		if (q == 0)
			for (;;)
				pause();
		SHOW(kill(q, SIGKILL));
		wait(NULL);
	});
	SHOW(syscall(SYS_setuid, -1));
	SHOW(setresuid(-1, -1, -1));
	return 0;
}
