#include "t.h"

#include <immintrin.h>

__attribute__((target("avx2"))) static int check(void) {
	int a[8], b[8], bad = 0;
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 8; i++)
			a[i] = round * 8 + i;
		__m256i v = _mm256_loadu_si256((void *)a);
		__asm__ volatile("vmovdqu %0, %%ymm9\n\tmov $39, %%eax\n\tsyscall\n\tvmovdqu %%ymm9, %1" : "+m"(v), "=m"(*(__m256i *)b)::"rax", "rcx", "r11", "ymm9");
		for (int i = 0; i < 8; i++)
			bad += a[i] != b[i];
		if (round % 50 == 0)
			sched_yield();
	}
	return bad;
}

int main(int argc, char **argv) {
	if (!__builtin_cpu_supports("avx2")) {
		puts("no avx2");
		return 0;
	}
	printf("%d\n", check());
	return 0;
}
