#include "t.h"

static int deep(int n) {
	volatile char b[4096];
	b[0] = n;
	return n > 100000000 ? b[0] : deep(n + 1) + b[0];
}

int main(int argc, char **argv) {
	CHILD("endless", printf("%d\n", deep(0)));
	return 0;
}
