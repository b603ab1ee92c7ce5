// execve: environment, scripts, errors and what survives.
// args: first second
#include "show.h"

extern char **environ;

static void try(const char *path) {
	char *argv[] = {"arg0", "arg1", NULL};
	printf("%s: ", path);
	execve(path, argv, environ);
	puts(strerrorname_np(errno));
}

static void file(const char *name, const char *text, int mode) {
	put_file(name, text);
	chmod(name, mode);
}

int main(int argc, char **argv) {
	if (argc > 1 && !strcmp(argv[1], "again")) {
		printf("again: %d args, env %s, fds %d %d\n", argc, environ[0], fcntl(5, F_GETFD), fcntl(6, F_GETFD));
		sigset_t set;
		sigprocmask(SIG_BLOCK, NULL, &set);
		struct sigaction ign, caught;
		sigaction(SIGUSR1, NULL, &ign);
		sigaction(SIGUSR2, NULL, &caught);
		printf("mask kept %d, ignored kept %d, handler reset %d\n", sigismember(&set, SIGHUP), ign.sa_handler == SIG_IGN, caught.sa_handler == SIG_DFL);
		sigpending(&set);
		printf("pending kept %d\n", sigismember(&set, SIGHUP));
		return 21;
	}
	for (int i = 1; i < argc; i++)
		puts(argv[i]);
	FORK("again", {
		dup2(1, 5);
		dup3(1, 6, O_CLOEXEC);
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGHUP);
		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, exit);
		char *args[] = {"x", "again", "", NULL}, *env[] = {"ONE=1", NULL};
		execve("/proc/self/exe", args, env);
	});
	try("missing");
	try("");
	try(".");
	file("plain", "text\n", 0644);
	try("plain");
	try("plain/x");
	file("text", "text that is no program\n", 0755);
	try("text");
	file("empty", "", 0755);
	try("empty");
	file("short", "\177ELF", 0755);
	try("short");
	file("noint", "#!\n", 0755);
	try("noint");
	file("badint", "#!/does/not/exist\n", 0755);
	try("badint");
	file("dirint", "#!/\n", 0755);
	try("dirint");
	file("script", "#!/bin/echo an  option \nline\n", 0755);
	FORK("script", try("./script"));
	file("sh", "#! /bin/sh\necho \"$0 $1 $#\"; exit 3\n", 0755);
	FORK("shell script", try("./sh"));
	file("nested", "#!./script more\n", 0755);
	FORK("nested script", try("./nested"));
	char a[32] = "./loop0", b[32], text[64];
	for (int i = 1; i <= 6; i++) {
		snprintf(b, sizeof b, "./loop%d", i);
		snprintf(text, sizeof text, "#!%s\n", a);
		file(b, i == 1 ? "#!/bin/echo end\n" : text, 0755);
		strcpy(a, b);
	}
	FORK("five deep", try("./loop5"));
	FORK("six deep", try("./loop6"));
	symlink("self", "self");
	try("self");
	char *big = malloc(200000);
	memset(big, 'x', 199999), big[199999] = 0;
	SHOW(execve("/bin/true", (char *[]){"true", big, NULL}, environ));
	char **many = malloc(60001 * sizeof *many);
	big[1000] = 0;
	for (int i = 0; i < 60000; i++)
		many[i] = big;
	many[60000] = NULL;
	SHOW(execve("/bin/true", many, environ));
	FORK("no arguments", SHOW(execve("/bin/sh", (char *[]){NULL}, (char *[]){NULL})));
	int fd = MUST(open("/bin/true", O_RDONLY | O_CLOEXEC));
	FORK("fexecve", fexecve(fd, (char *[]){"true", NULL}, environ));
	FORK("execveat", execveat(MUST(open("/bin", O_PATH)), "false", (char *[]){"false", NULL}, environ, 0));
	int w = MUST(open("sh", O_WRONLY));
	SHOW(execveat(w, "", (char *[]){"sh", NULL}, environ, AT_EMPTY_PATH));
	return 0;
}
