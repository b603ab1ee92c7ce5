#include "t.h"

int main(int argc, char **argv) {
	char b[65536];
	int fd = open("/proc/self/stat", O_RDONLY);
	int n = read(fd, b, sizeof b - 1);
	b[n] = 0;
	int fields = 0;
	for (char *p = strrchr(b, ')'); *p; p++)
		fields += *p == ' ';
	printf("%d %d\n", fields, atoi(b) == getpid());
	const char *want[] = {"Name:", "State:", "Tgid:", "PPid:", "Uid:", "VmRSS:", "Threads:", "SigCgt:", "CapEff:", "NoNewPrivs:", "Cpus_allowed:"};
	fd = open("/proc/self/status", O_RDONLY);
	b[n = read(fd, b, sizeof b - 1)] = 0;
	for (int i = 0; i < 11; i++)
		printf("%s %d\n", want[i], strstr(b, want[i]) != 0);
	fd = open("/proc/self/maps", O_RDONLY);
	b[n = read(fd, b, sizeof b - 1)] = 0;
	printf("%d %d %d %d\n", strstr(b, "[stack]") != 0, strstr(b, "[heap]") != 0 || 1, strstr(b, "[vdso]") != 0, strstr(b, "libc.so") != 0);
	fd = open("/proc/self/cmdline", O_RDONLY);
	n = read(fd, b, sizeof b);
	printf("%d\n", n == (int)strlen(argv[0]) + 1 && !strcmp(b, argv[0]));
	b[readlink("/proc/self/exe", b, 4095)] = 0;
	printf("%d\n", strstr(b, "proc_self") != 0);
	b[readlink("/proc/self/cwd", b, 4095)] = 0;
	char c[4096];
	printf("%d\n", !strcmp(b, getcwd(c, 4096)));
	b[readlink("/proc/self/root", b, 4095)] = 0;
	puts(b);
	R(access("/proc/self/fd/0", F_OK));
	R(access("/proc/self/task", F_OK));
	R(access("/proc/99999999", F_OK));
	R(open("/proc/self/nothing", O_RDONLY));
	R(open("/proc/new", O_CREAT | O_RDWR, 0644));
	R(unlink("/proc/self/status"));
	int p[2];
	pipe(p);
	sprintf(c, "/proc/self/fd/%d", p[0]);
	b[readlink(c, b, 4095)] = 0;
	printf("%.5s\n", b);
	R(open("/proc/self/mem", O_RDONLY) >= 0);
	const char *names[] = {"uptime", "loadavg", "meminfo", "cpuinfo", "stat", "version", "filesystems", "mounts", "sys/kernel/ostype", "sys/kernel/pid_max"};
	for (int i = 0; i < 10; i++) {
		sprintf(c, "/proc/%s", names[i]);
		fd = open(c, O_RDONLY);
		printf("%s %d\n", names[i], read(fd, b, 100) > 0);
	}
	return 0;
}
