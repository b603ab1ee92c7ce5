#include "t.h"

int main(int argc, char **argv) {
	spew("s", "#!/bin/echo one two three\nignored\n");
	chmod("s", 0755);
	CHILD("script", execl("./s", "zero", "a", "b", (char *)0));
	spew("t", "#! /bin/sh\necho \"$0\" \"$@\"; exit 5\n");
	chmod("t", 0755);
	CHILD("shell", execl("./t", "zero", "a", "b", (char *)0));
	spew("u", "#!./t -x\n");
	chmod("u", 0755);
	CHILD("nested", execl("./u", "zero", "a", (char *)0));
	int fd = open("t", O_RDONLY);
	char *av[] = {"q", 0}, *ev[] = {0};
	CHILD("fexecve", fexecve(fd, av, ev));
	return 0;
}
