#include "t.h"

int main(int argc, char **argv) {
	R(prctl(PR_SET_CHILD_SUBREAPER, 1));
	int p[2];
	pipe(p);
	CHILD("middle", {
		if (fork() == 0) {
			while (getppid() == 1 << 22)
				;
			msleep(30);
			_exit(6);
		}
	});
	int s;
	R(wait(&s) > 0);
	status("grandchild", s);
	R(wait(&s));
	int v;
	prctl(PR_GET_CHILD_SUBREAPER, &v);
	printf("%d\n", v);
	return 0;
}
