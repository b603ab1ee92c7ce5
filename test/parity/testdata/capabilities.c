#include "t.h"

int main(int argc, char **argv) {
	struct { uint32_t v; int pid; } h = {0x20080522, 0};
	struct { uint32_t e, p, i; } d[2];
	CHILD("drop", {
		R(syscall(SYS_capget, &h, d));
		d[0].e &= ~1u;
		R(syscall(SYS_capset, &h, d));
		close(open("f", O_CREAT, 0644));
		R(chown("f", 5, 5));
		d[0].p &= ~1u;
		R(syscall(SYS_capset, &h, d));
		d[0].p |= 1;
		R(syscall(SYS_capset, &h, d));
	});
	CHILD("keep", {
		prctl(PR_SET_KEEPCAPS, 1);
		setresuid(1000, 1000, 1000);
		syscall(SYS_capget, &h, d);
		printf("%d %d\n", d[0].e, d[0].p != 0);
	});
	CHILD("lose", {
		setresuid(1000, 1000, 1000);
		syscall(SYS_capget, &h, d);
		printf("%d %d\n", d[0].e, d[0].p);
	});
	h.v = 1;
	R(syscall(SYS_capget, &h, d));
	printf("%x\n", h.v);
	h.pid = -1;
	R(syscall(SYS_capget, &h, d));
	return 0;
}
