// membarrier, and what the C library sees of rseq.
// link: dynamic
#include "show.h"
#include <linux/membarrier.h>
#include <sys/rseq.h>

static long membarrier(int cmd, unsigned flags, int cpu) { return syscall(SYS_membarrier, cmd, flags, cpu); }

int main(void) {
	long q = membarrier(MEMBARRIER_CMD_QUERY, 0, 0);
	printf("query: global %d private %d\n", (q & MEMBARRIER_CMD_GLOBAL) != 0, (q & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0);
	SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SHOW(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SHOW(membarrier(MEMBARRIER_CMD_GLOBAL, 0, 0));
	SHOW(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
	SHOW(membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	SHOW(membarrier(1 << 30, 0, 0));
	SHOW(membarrier(MEMBARRIER_CMD_QUERY, 77, 0));
	FORK("inherited by fork", SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)));
	return 0;
}
