#include "t.h"

int main(int argc, char **argv) {
	int *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int *s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 1 << 18; i++)
		p[i] = i;
	for (int n = 0; n < 4; n++)
		CHILD("child", {
			long sum = 0;
			for (int i = 0; i < 1 << 18; i += 512)
				p[i] += n + 1;
			for (int i = 0; i < 1 << 18; i++)
				sum += p[i];
			printf("%ld\n", sum);
			s[n] = n * n;
		});
	long sum = 0;
	for (int i = 0; i < 1 << 18; i++)
		sum += p[i];
	printf("%ld %d %d %d %d\n", sum, s[0], s[1], s[2], s[3]);
	return 0;
}
