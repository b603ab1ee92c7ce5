#include "t.h"

int main(int argc, char **argv) {
	char *av[] = {"x", 0};
	R(execv("nothing", av));
	R(execv("/", av));
	spew("plain", "echo");
	R(execv("plain", av));
	chmod("plain", 0755);
	R(execv("plain", av));
	spew("s1", "#!/nowhere/at/all\n");
	chmod("s1", 0755);
	R(execv("s1", av));
	spew("s2", "#!\n");
	chmod("s2", 0755);
	R(execv("s2", av));
	spew("loop", "#!./loop\n");
	chmod("loop", 0755);
	R(execv("loop", av));
	spew("elf", "\177ELF");
	chmod("elf", 0755);
	R(execv("elf", av));
	R(execve("/bin/true", (char **)1, 0));
	R(execve((char *)1, av, 0));
	char *big = malloc(3 << 20);
	memset(big, 'a', 3 << 20);
	big[(3 << 20) - 1] = 0;
	char *bv[] = {"x", big, 0};
	R(execv("/bin/true", bv));
	R(execv("plain/x", av));
	R(fexecve(99, av, av + 1));
	return 0;
}
