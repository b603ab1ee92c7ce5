// mincore, mlock and their limits.
#include "show.h"
#include <sys/resource.h>

int main(void) {
	size_t pg = 4096;
	unsigned char vec[8];
	char *a = mmap(NULL, 4 * pg, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a[pg] = 1;
	SHOW(mincore(a, 4 * pg, vec));
	printf("touched page resident: %d\n", vec[1] & 1);
	SHOW(mincore(a + 1, pg, vec));
	SHOW(mincore(a, pg, (void *)8));
	munmap(a + 3 * pg, pg);
	SHOW(mincore(a, 4 * pg, vec));
	SHOW(mlock(a, pg));
	SHOW(munlock(a, pg));
	SHOW(mlock(a, 4 * pg));
	SHOW(mlock2(a, pg, MLOCK_ONFAULT));
	SHOW(mlock2(a, pg, 8));
	SHOW(munlock(a + pg, pg));
	SHOW(mlockall(0));
	SHOW(mlockall(MCL_ONFAULT));
	SHOW(munlockall());
	return 0;
}
