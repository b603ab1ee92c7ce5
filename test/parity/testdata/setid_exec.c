#include "t.h"

int main(int argc, char **argv) {
	if (argc > 1) {
		uid_t r, e, s;
		getresuid(&r, &e, &s);
		printf("%d %d %d\n", r, e, s);
		return 0;
	}
	char me[4096];
	me[readlink("/proc/self/exe", me, 4095)] = 0;
	char cmd[9000];
	sprintf(cmd, "cp %s ./su && chmod 755 .", me);
	system(cmd);
	chown("su", 4000, 4000);
	chmod("su", 06755);
	CHILD("set-uid", {
		setresgid(2000, 2000, 2000);
		setresuid(2000, 2000, 2000);
		execl("./su", "su", "x", (char *)0);
	});
	CHILD("no new privileges", {
		setresuid(2000, 2000, 2000);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		execl("./su", "su", "x", (char *)0);
	});
	return 0;
}
