#include "t.h"

int main(int argc, char **argv) {
	char b[17] = "";
	R(prctl(PR_SET_NAME, "a-very-long-name-indeed"));
	R(prctl(PR_GET_NAME, b));
	puts(b);
	R(prctl(PR_GET_DUMPABLE));
	R(prctl(PR_SET_DUMPABLE, 0));
	R(prctl(PR_GET_DUMPABLE));
	R(prctl(PR_SET_DUMPABLE, 7));
	R(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	int s;
	R(prctl(PR_GET_PDEATHSIG, &s));
	printf("%d\n", s);
	R(prctl(PR_SET_PDEATHSIG, 100));
	R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R(prctl(PR_GET_KEEPCAPS));
	R(prctl(PR_SET_KEEPCAPS, 1));
	R(prctl(PR_CAPBSET_READ, 0));
	R(prctl(PR_CAPBSET_READ, 99));
	R(prctl(PR_GET_TIMERSLACK) > 0);
	R(prctl(123456));
	return 0;
}
