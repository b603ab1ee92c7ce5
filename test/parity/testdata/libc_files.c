// The C library's file functions: temporary files, glob, tree walks, popen,
// system, realpath, scandir.
// link: dynamic
#include "show.h"
#include <ftw.h>
#include <glob.h>

static int nodes;
static int visit(const char *p, const struct stat *st, int flag, struct FTW *f) {
	(void)p, (void)st, (void)f;
	nodes += flag == FTW_F ? 100 : 1;
	return 0;
}

int main(void) {
	FILE *t = tmpfile();
	fprintf(t, "line %d\n", 1);
	rewind(t);
	char b[256];
	printf("%s", fgets(b, sizeof b, t));
	fclose(t);
	char name[] = "tempXXXXXX";
	int fd = SHOW(mkstemp(name)) > 0;
	printf("made %d %d\n", fd, access(name, F_OK));
	unlink(name);
	char dir[] = "dirXXXXXX";
	printf("%d\n", mkdtemp(dir) != NULL);
	rmdir(dir);
	for (int i = 0; i < 5; i++) {
		snprintf(b, sizeof b, "g%d.txt", i);
		put_file(b, "x");
	}
	glob_t g;
	SHOW(glob("g*.txt", 0, NULL, &g));
	printf("%zu %s\n", g.gl_pathc, g.gl_pathv[4]);
	mkdir("t", 0755), mkdir("t/u", 0755), put_file("t/u/f", ""), symlink("..", "t/u/up");
	SHOW(nftw("t", visit, 8, FTW_PHYS));
	printf("nodes %d\n", nodes);
	SHOW(realpath("t/u/up/u/./f", b) != NULL);
	printf("%s\n", strstr(b, "/t/u/f") ? "resolved" : b);
	FILE *p = popen("echo from popen; exit 3", "r");
	printf("%s", fgets(b, sizeof b, p));
	show_status("pclose", pclose(p));
	show_status("system", system("exit 9"));
	show_status("killed", system("kill -9 $$"));
	p = popen("cat >written", "w");
	fputs("by a pipe", p);
	pclose(p);
	cat_file("written");
	FILE *f = fopen("big", "w+");
	for (int i = 0; i < 20000; i++)
		fprintf(f, "%d\n", i);
	fseek(f, -6, SEEK_END);
	printf("%s", fgets(b, sizeof b, f));
	rewind(f);
	long sum = 0;
	while (fgets(b, sizeof b, f))
		sum += atol(b);
	printf("sum %ld\n", sum);
	f = freopen("big", "a", f);
	fputs("end\n", f);
	printf("at %ld\n", ftell(f));
	char *line = NULL;
	size_t cap = 0;
	f = freopen("big", "r", f);
	printf("getline %zd\n", getline(&line, &cap, f));
	char *mem;
	size_t len;
	FILE *m = open_memstream(&mem, &len);
	fprintf(m, "%0*d", 5000, 7);
	fclose(m);
	printf("memory stream %zu\n", len);
	FORK("buffered output is flushed by exit", printf("no newline"), exit(0));
	puts("");
	SHOW(setvbuf(stdout, NULL, _IONBF, 0));
	return 0;
}
