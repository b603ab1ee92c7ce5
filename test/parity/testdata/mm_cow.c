// fork copies memory: neither side sees the other's writes.
#include "show.h"

static int data = 1;
static int bss;

int main(void) {
	int stack = 2;
	char *heap = malloc(100000), *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(heap, 'h', 100000);
	for (int i = 0; i < 256; i++)
		map[i * 4096] = i;
	int pipefd[2], back[2];
	MUST(pipe(pipefd));
	MUST(pipe(back));
	char c = 0;
	pid_t p = fork();
	if (p == 0) {
		data = 10, bss = 20, stack = 30, heap[99999] = 'c', map[4096] = 'x';
		write(back[1], "x", 1);
		read(pipefd[0], &c, 1);
		printf("child: %d %d %d %c %c %d\n", data, bss, stack, heap[0], heap[99999], map[2 * 4096]);
		// Three generations on one page.
		FORK("grandchild", {
			data++;
			map[2 * 4096] = 99;
			printf("grandchild: %d %d\n", data, map[2 * 4096]);
		});
		printf("child after: %d %d\n", data, map[2 * 4096]);
		exit(3);
	}
	read(back[0], &c, 1);
	printf("parent: %d %d %d %c %d\n", data, bss, stack, heap[99999], map[4096]);
	heap[0] = 'p', data = 5, map[2 * 4096] = 77;
	write(pipefd[1], "x", 1);
	int st;
	waitpid(p, &st, 0);
	show_status("child", st);
	printf("parent after: %d %d\n", data, map[2 * 4096]);
	// A system call writes into a page that is still shared.
	int zero = MUST(open("/dev/zero", O_RDONLY));
	FORK("reader", {
		read(zero, map + 5 * 4096, 10);
		printf("read into a copy: %d\n", map[5 * 4096]);
	});
	printf("parent's page: %d\n", map[5 * 4096]);
	unsigned sum = 0;
	for (int i = 0; i < 256; i++)
		sum += (unsigned char)map[i * 4096];
	printf("sum %u\n", sum);
	return 0;
}
