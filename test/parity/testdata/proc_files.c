// /proc/self: shapes of what programs read.
#include "show.h"
#include <ctype.h>
#include <dirent.h>

// shape prints a file with digits as 9 and letters of numbers folded.
static char *slurp(const char *name) {
	static char b[65536];
	int fd = open(name, O_RDONLY);
	if (fd < 0) {
		printf("%s: %s\n", name, strerrorname_np(errno));
		return strcpy(b, "");
	}
	ssize_t n = 0, k;
	while ((k = read(fd, b + n, sizeof b - 1 - n)) > 0)
		n += k;
	b[n] = 0;
	close(fd);
	return b;
}

static void status_field(const char *name) {
	char *b = slurp("/proc/self/status"), *p = strstr(b, name);
	printf("%.*s\n", p ? (int)strcspn(p, "\n") : 6, p ? p : "absent");
}

int main(int argc, char **argv) {
	(void)argc;
	char b[4096], *p;
	ssize_t n = readlink("/proc/self/exe", b, sizeof b - 1);
	b[n > 0 ? n : 0] = 0;
	printf("exe is the program %d\n", !strcmp(b, argv[0]));
	n = readlink("/proc/self/cwd", b, sizeof b - 1);
	b[n > 0 ? n : 0] = 0;
	char here[4096];
	getcwd(here, sizeof here);
	printf("cwd %d\n", !strcmp(b, here));
	SHOW(readlink("/proc/self/root", b, sizeof b));
	p = slurp("/proc/self/cmdline");
	printf("cmdline %d\n", !strcmp(p, argv[0]));
	int pid, ppid, pgrp, sess;
	char comm[32], state;
	p = slurp("/proc/self/stat");
	printf("stat %d\n", sscanf(p, "%d (%31[^)]) %c %d %d %d", &pid, comm, &state, &ppid, &pgrp, &sess));
	printf("pid %d state %c ppid %d pgrp %d session %d\n", pid == getpid(), state, ppid == getppid(), pgrp == getpgrp(), sess == getsid(0));
	int fields = 1;
	for (p = strrchr(p, ')'); *p; p++)
		fields += *p == ' ';
	printf("%d fields after the name\n", fields);
	p = slurp("/proc/self/statm");
	long pages[7];
	printf("statm %d\n", sscanf(p, "%ld %ld %ld %ld %ld %ld %ld", pages, pages + 1, pages + 2, pages + 3, pages + 4, pages + 5, pages + 6));
	status_field("Threads:"), status_field("Umask:"), status_field("State:"), status_field("NoNewPrivs:"), status_field("SigIgn:"), status_field("SigBlk:");
	char *names[] = {"Name:", "Tgid:", "Pid:", "PPid:", "Uid:", "Gid:", "FDSize:", "Groups:", "VmPeak:", "VmSize:", "VmRSS:", "VmData:", "VmStk:", "SigQ:", "SigCgt:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "Seccomp:", "Cpus_allowed:", "voluntary_ctxt_switches:"};
	p = slurp("/proc/self/status");
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		printf("%s %d\n", names[i], strstr(p, names[i]) != NULL);
	p = slurp("/proc/self/maps");
	printf("maps: heap %d stack %d vdso %d program %d\n", strstr(p, "[heap]") != NULL, strstr(p, "[stack]") != NULL, strstr(p, "[vdso]") != NULL, strstr(p, argv[0]) != NULL);
	unsigned long from, to, end = 0, offset, ino;
	char perm[5], dev[16];
	int sorted = 1, parsed = 1;
	for (char *line = strtok(p, "\n"); line; line = strtok(NULL, "\n")) {
		parsed &= sscanf(line, "%lx-%lx %4s %lx %15s %lu", &from, &to, perm, &offset, dev, &ino) == 6;
		sorted &= from >= end && to > from;
		end = to;
	}
	printf("maps sorted %d parsed %d\n", sorted, parsed);
	printf("smaps has Pss: %d\n", strstr(slurp("/proc/self/smaps"), "Pss:") != NULL);
	puts(slurp("/proc/self/limits")[0] == 'L' ? "limits ok" : "limits wrong");
	printf("mounts has /proc: %d, mountinfo too: %d\n", strstr(slurp("/proc/self/mounts"), " /proc proc ") != NULL, strstr(slurp("/proc/self/mountinfo"), " /proc ") != NULL);
	puts(slurp("/proc/self/cgroup")[0] ? "cgroup ok" : "cgroup empty");
	DIR *d = opendir("/proc/self/fd");
	int fds = 0;
	for (struct dirent *e; (e = readdir(d));)
		fds += isdigit(e->d_name[0]) && atoi(e->d_name) < 100;
	printf("%d descriptors\n", fds);
	closedir(d);
	d = opendir("/proc/self/task");
	int tasks = 0;
	for (struct dirent *e; (e = readdir(d));)
		tasks += e->d_name[0] != '.';
	printf("%d task\n", tasks);
	put_file("f", "text");
	int fd = MUST(open("f", O_RDWR | O_APPEND));
	lseek(fd, 2, SEEK_SET);
	snprintf(b, sizeof b, "/proc/self/fdinfo/%d", fd);
	p = slurp(b);
	printf("%.*s\n", (int)strcspn(p, "\n"), p);
	int old = MUST(dup(fd)), info = MUST(open(b, O_RDONLY));
	MUST(dup2(info, fd)); // now it is about itself
	n = pread(info, here, 7, 0);
	printf("fdinfo of itself: %.*s\n", (int)strcspn(here, "\n"), here);
	n = read(info, here, 7);
	printf("read: %zd %.*s\n", n, (int)strcspn(here, "\n"), here);
	MUST(dup2(old, fd));
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	SHOW(open(b, O_RDONLY) > 0);
	unlink("f");
	n = readlink(b, here, sizeof here - 1);
	here[n] = 0;
	printf("deleted: %s\n", strrchr(here, '/'));
	SHOW(open(b, O_RDONLY) > 0);
	int q[2];
	MUST(pipe(q));
	snprintf(b, sizeof b, "/proc/self/fd/%d", q[0]);
	n = readlink(b, here, sizeof here - 1);
	here[n] = 0;
	printf("pipe: %.6s\n", here);
	char *global[] = {"/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/version", "/proc/cpuinfo", "/proc/filesystems", "/proc/mounts", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname", "/proc/sys/kernel/pid_max", "/proc/sys/fs/file-max", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/random/uuid", "/proc/self/environ", "/proc/self/auxv", "/proc/self/oom_score_adj", "/proc/self/wchan", "/proc/self/io", "/proc/self/personality"};
	for (unsigned i = 0; i < sizeof global / sizeof *global; i++)
		printf("%s: %d\n", global[i], access(global[i], R_OK) == 0);
	SHOW(open("/proc/self/nothing", O_RDONLY));
	SHOW(open("/proc/4194999", O_RDONLY));
	SHOW(mkdir("/proc/x", 0755));
	SHOW(unlink("/proc/self/stat"));
	SHOW(open("/proc/self/stat", O_WRONLY));
	return 0;
}
