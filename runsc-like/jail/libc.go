package jail

// #include <malloc.h>
// #include <stdlib.h>
//
// // The heap's room is what some ten thousand threads need; pages that nothing has
// // touched are none. The second piece is more than there is at first, and less than
// // would be mapped by itself.
// __attribute__((constructor)) static void quiet_malloc(void)
// {
// 	mallopt(M_ARENA_MAX, 1);
// 	mallopt(M_TOP_PAD, 16 << 20);
// 	mallopt(M_TRIM_THRESHOLD, -1);
// 	void *volatile first = malloc(100 << 10), *volatile second = malloc(100 << 10);
// 	free(second);
// 	free(first);
// }
import "C"

// The C library, in which Go's threads start and end, is to make no host calls
// behind the filter's back: so malloc is told, before there are other threads, to
// have one heap for all, which neither grows nor shrinks. Else it would move its end by
// brk(2); and of several heaps it would count the processors in /sys, to know how many
// there may be, and read in /proc how memory is overcommitted when one shrinks.
