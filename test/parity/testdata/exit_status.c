#include "t.h"

int main(int argc, char **argv) {
	CHILD("zero", _exit(0));
	CHILD("three", _exit(3));
	CHILD("big", _exit(0x1ff));
	CHILD("abort", abort());
	CHILD("term", raise(SIGTERM));
	CHILD("kill", raise(SIGKILL));
	CHILD("segv", *(volatile int *)8 = 1);
	CHILD("fpe", { volatile int z = 0; z = 1 / z; });
	CHILD("ill", __asm__ volatile("ud2"));
	CHILD("trap", __asm__ volatile("int3"));
	return 0;
}
