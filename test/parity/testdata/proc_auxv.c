// What a program finds on its stack: arguments, environment, auxiliary vector.
// link: dynamic
// args: one two
#include "show.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

static int object(struct dl_phdr_info *i, size_t n, void *arg) {
	(void)n;
	if (strstr(i->dlpi_name, "libc.so"))
		(*(int *)arg)++;
	return 0;
}

int main(int argc, char **argv, char **envp) {
	printf("%d %s %s, ends %d\n", argc, argv[1], argv[2], argv[argc] == NULL);
	char **e = envp;
	int path = 0;
	for (; *e; e++)
		path += !strncmp(*e, "PATH=", 5);
	printf("PATH once %d\n", path);
	ElfW(auxv_t) *a = (void *)(e + 1);
	unsigned long have[64] = {0};
	int n = 0;
	for (; a->a_type != AT_NULL && n < 50; a++, n++)
		if (a->a_type < 64)
			have[a->a_type] = 1;
	int want[] = {AT_SYSINFO_EHDR, AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_PHDR, AT_PHENT, AT_PHNUM, AT_BASE, AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE, AT_RANDOM, AT_HWCAP2, AT_EXECFN, AT_PLATFORM};
	for (unsigned i = 0; i < sizeof want / sizeof *want; i++)
		printf("%d: %lu\n", want[i], have[want[i]]);
	printf("page size %lu ticks %lu phent %lu secure %lu uid %d\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK), getauxval(AT_PHENT), getauxval(AT_SECURE), getauxval(AT_UID) == getuid());
	printf("execfn %d platform %s\n", !strcmp((char *)getauxval(AT_EXECFN), argv[0]), (char *)getauxval(AT_PLATFORM));
	unsigned char *r = (void *)getauxval(AT_RANDOM);
	int zeros = 0;
	for (int i = 0; i < 16; i++)
		zeros += r[i] == 0;
	printf("random bytes %d\n", zeros < 8);
	ElfW(Phdr) *ph = (void *)getauxval(AT_PHDR);
	int loads = 0;
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		loads += ph[i].p_type == PT_LOAD;
	printf("loads %d\n", loads > 1);
	printf("stack aligned %d\n", (uintptr_t)__builtin_frame_address(0) % 16 == 0);
	int libc = 0;
	dl_iterate_phdr(object, &libc);
	printf("C libraries %d, interpreter's base %d\n", libc, getauxval(AT_BASE) != 0);
	ElfW(Ehdr) *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	printf("vdso %d\n", vdso && !memcmp(vdso->e_ident, ELFMAG, 4));
	printf("minimal signal stack %d\n", getauxval(51) >= 1024);
	return 0;
}
