#include "t.h"

int main(int argc, char **argv) {
	uid_t r, e, s;
	CHILD("drop", {
		R(setgroups(0, 0));
		R(setresgid(100, 200, 300));
		R(setresuid(1000, 2000, 3000));
		getresuid(&r, &e, &s);
		printf("%d %d %d\n", r, e, s);
		R(setuid(0));
		R(setuid(3000));
		R(geteuid());
		R(setresuid(-1, 1000, -1));
		R(setreuid(3000, 1000));
		R(seteuid(0));
		R(setgid(300));
		R(setgid(5));
		R(getegid());
		R(setgroups(0, 0));
		R(setfsuid(-1));
		R(setfsuid(1000));
		R(setfsuid(-1));
	});
	CHILD("saved", {
		R(seteuid(1000));
		R(open("/etc/shadow", O_RDONLY));
		R(seteuid(0));
		R(open("/etc/shadow", O_RDONLY) >= 0);
	});
	CHILD("groups", {
		gid_t g[3] = {30, 10, 20}, o[5];
		R(setgroups(3, g));
		R(getgroups(0, 0));
		R(getgroups(2, o));
		R(getgroups(5, o));
		printf("%d %d %d\n", o[0], o[1], o[2]);
		R(setgroups(100000, g));
	});
	R(setuid(-1));
	return 0;
}
