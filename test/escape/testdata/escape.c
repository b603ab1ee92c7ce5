// What a program inside tries in order to get out. Each attempt prints one
// line: "refused" or "ESCAPED". Arguments: a file of the host that the root does
// not have, a process of the host, an abstract socket of the host, a port that
// somebody listens on at the host's loopback interface.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *secret;

static void verdict(const char *what, int escaped) {
	printf("%s: %s\n", what, escaped ? "ESCAPED" : "refused");
	fflush(stdout);
}

// holds reports whether a file can be read and holds what only the host's does.
static int holds(const char *path) {
	char b[64] = {0};
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	read(fd, b, sizeof b - 1);
	close(fd);
	return strstr(b, "host secret") != 0;
}

static int beneath(const char *prefix) {
	char p[8192];
	snprintf(p, sizeof p, "%s%s", prefix, secret);
	return holds(p);
}

static void files(void) {
	verdict("plain path", beneath(""));
	verdict("..", beneath("../../../../../../../../../../../.."));
	verdict("/..", beneath("/../../.."));
	symlink(secret, "/tmp/abs");
	verdict("symbolic link", holds("/tmp/abs"));
	symlink("../../../../../../../../../..", "/tmp/up");
	verdict("symbolic link of ..", beneath("/tmp/up"));
	verdict("/proc/self/root", beneath("/proc/self/root"));
	verdict("/proc/self/root/..", beneath("/proc/self/root/../../.."));
	verdict("/proc/1/root", beneath("/proc/1/root"));
	verdict("/proc/self/cwd/..", beneath("/proc/self/cwd/../../../.."));
	char p[64];
	int escaped = 0;
	for (int fd = 3; fd < 1024; fd++) {
		snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
		escaped |= beneath(p);
		char q[8192];
		snprintf(q, sizeof q, "..%s", secret);
		int h = openat(fd, q, O_RDONLY);
		escaped |= h >= 0;
	}
	verdict("descriptors", escaped);
	verdict("hard link", link(secret, "/tmp/hard") == 0 && holds("/tmp/hard"));
	mkdir("/tmp/jail", 0755);
	int d = open("/", O_RDONLY | O_DIRECTORY);
	if (fork() == 0) {
		chroot("/tmp/jail");
		fchdir(d);
		for (int i = 0; i < 64; i++)
			chdir("..");
		chroot(".");
		verdict("chroot and ..", beneath(""));
		_exit(0);
	}
	wait(0);
	mount("/", "/tmp/jail", 0, MS_BIND | MS_REC, 0);
	verdict("bind mount", beneath("/tmp/jail") || beneath("/tmp/jail/.."));
	umount("/tmp/jail");
	verdict("rename to outside", rename("/tmp/jail", secret) == 0);
}

static volatile int stop;

static void *swap(void *a) {
	while (!stop) {
		rename("/tmp/r/a/b", "/tmp/r/b");
		rename("/tmp/r/b", "/tmp/r/a/b");
	}
	return 0;
}

// races walks up and down while directories move.
static void races(void) {
	mkdir("/tmp/r", 0755);
	mkdir("/tmp/r/a", 0755);
	mkdir("/tmp/r/a/b", 0755);
	mkdir("/tmp/r/a/b/c", 0755);
	pthread_t t;
	pthread_create(&t, 0, swap, 0);
	int escaped = 0;
	for (int i = 0; i < 3000; i++) {
		escaped |= beneath("/tmp/r/a/b/c/../../../../../..");
		escaped |= beneath("/tmp/r/b/c/../../../../..");
	}
	stop = 1;
	pthread_join(t, 0);
	verdict("rename race", escaped);
}

static void devices(void) {
	int kinds[][3] = {{S_IFBLK, 8, 0}, {S_IFBLK, 253, 0}, {S_IFBLK, 254, 0}, {S_IFBLK, 7, 0}, {S_IFCHR, 1, 1}, {S_IFCHR, 1, 4},
			  {S_IFCHR, 10, 232}, {S_IFCHR, 4, 1}, {S_IFCHR, 10, 229}};
	int escaped = 0;
	for (int i = 0; i < 9; i++) {
		mknod("/tmp/dev", kinds[i][0] | 0666, makedev(kinds[i][1], kinds[i][2]));
		int fd = open("/tmp/dev", O_RDWR);
		escaped |= fd >= 0;
		unlink("/tmp/dev");
	}
	// The tunnel is hull's own: the test looks whether the host has the interface.
	struct ifreq tun = {.ifr_name = "hullescape", .ifr_flags = IFF_TUN};
	mknod("/tmp/dev", S_IFCHR | 0666, makedev(10, 200));
	int fd = open("/tmp/dev", O_RDWR);
	if (ioctl(fd, TUNSETIFF, &tun) || ioctl(fd, TUNSETPERSIST, 1))
		printf("no tunnel was made\n");
	unlink("/tmp/dev");
	verdict("device nodes", escaped);
}

static void processes(int pid) {
	verdict("signal to a host process", kill(pid, 0) == 0);
	char p[64];
	snprintf(p, sizeof p, "/proc/%d/status", pid);
	verdict("host process in /proc", access(p, F_OK) == 0);
	int escaped = 0;
	for (int i = 2; i < 5000; i++)
		escaped |= i != getpid() && ptrace(PTRACE_ATTACH, i, 0, 0) == 0;
	escaped |= ptrace(PTRACE_ATTACH, pid, 0, 0) == 0;
	verdict("ptrace", escaped);
	escaped = 0;
	for (int i = 2; i < 5000; i++)
		escaped |= i != getpid() && kill(i, 0) == 0;
	verdict("any process but its own", escaped);
}

// reaches reports whether somebody answers at an address and port.
static int reaches(const char *host, const char *port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	struct timeval patience = {3, 0};
	inet_pton(AF_INET, host, &a.sin_addr);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	int r = connect(s, (void *)&a, sizeof a);
	close(s);
	return r == 0;
}

static void sockets(const char *name, const char *port) {
	struct sockaddr_un a = {AF_UNIX};
	strncpy(a.sun_path + 1, name, sizeof a.sun_path - 2);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	verdict("abstract socket of the host", connect(s, (void *)&a, 3 + strlen(name)) == 0);
	verdict("the host's loopback interface", reaches("127.0.0.1", port) || reaches("127.1.2.3", port) || reaches("0.0.0.0", port));
	verdict("the host by the gateway", reaches("10.0.2.2", port) || reaches("10.0.2.3", port));
}

// inChild runs f in a child and returns how it ended.
static int inChild(void (*f)(void)) {
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		alarm(10);
		f();
		_exit(0);
	}
	int s = 0;
	waitpid(p, &s, 0);
	return s;
}

static void int80(void) {
	// mkdir(2) of the 32-bit table, with a path below 4 GB.
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	strcpy(low, "/tmp/by-int80");
	__asm__ volatile("int $0x80" ::"a"(39), "b"(low), "c"(0777) : "memory");
}

static void sysenter(void) {
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	strcpy(low, "/tmp/by-sysenter");
	__asm__ volatile("sysenter" ::"a"(39), "b"(low), "c"(0777) : "memory");
}

static void x32(void) {
	strcpy((char *)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "x");
	syscall(0x40000000 | SYS_mkdir, "/tmp/by-x32", 0777);
	syscall(0x40000000 | 520, "/bin/true", 0, 0);
}

static unsigned long seed = 1;

static unsigned long rnd(void) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

// forged returns from a signal that never was, with a frame of random bytes.
static void forged(void) {
	unsigned long frame[600];
	for (int i = 0; i < 600; i++)
		frame[i] = rnd() % 3 ? rnd() : (rnd() % 2 ? 0 : (unsigned long)frame);
	frame[18] |= 0x33;
	__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall" ::"r"(frame + rnd() % 8) : "memory");
}

static void instructions(void) {
	inChild(int80);
	verdict("int 0x80", access("/tmp/by-int80", F_OK) == 0);
	inChild(sysenter);
	verdict("sysenter", access("/tmp/by-sysenter", F_OK) == 0);
	inChild(x32);
	verdict("x32", access("/tmp/by-x32", F_OK) == 0);
	for (int i = 0; i < 200; i++) {
		inChild(forged);
		rnd();
	}
	verdict("forged signal frames", 0);
}

int main(int argc, char **argv) {
	secret = argv[1];
	mkdir("/tmp", 0777);
	files();
	races();
	devices();
	processes(atoi(argv[2]));
	sockets(argv[3], argv[4]);
	instructions();
	puts("all tried");
	return 0;
}
