#include "t.h"

int main(int argc, char **argv) {
	int a = open("f", O_RDWR | O_CREAT, 0644), b = open("f", O_RDWR);
	R(flock(a, LOCK_SH));
	R(flock(b, LOCK_SH | LOCK_NB));
	R(flock(b, LOCK_EX | LOCK_NB));
	R(flock(a, LOCK_UN));
	R(flock(b, LOCK_EX | LOCK_NB));
	R(flock(a, LOCK_SH | LOCK_NB));
	CHILD("inherited", R(flock(b, LOCK_EX | LOCK_NB)));
	R(flock(a, LOCK_EX | LOCK_NB));
	close(b);
	R(flock(a, LOCK_EX | LOCK_NB));
	R(flock(a, 77));
	return 0;
}
