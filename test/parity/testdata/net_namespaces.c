// needs: root
#include "net.h"
#include <sys/sysmacros.h>

static int same(const char *a, const char *b) {
	struct stat x, y;
	if (stat(a, &x) || stat(b, &y))
		return -1;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static const char *kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "user", "uts"};

int main() {
	char a[100], b[100];
	for (int i = 0; i < 8; i++) {
		sprintf(a, "/proc/self/ns/%s", kinds[i]);
		struct stat st, l;
		R(stat(a, &st));
		R(lstat(a, &l));
		printf("%s %o %o links %d\n", kinds[i], st.st_mode, l.st_mode, (int)st.st_nlink);
		memset(b, 0, sizeof b);
		readlink(a, b, sizeof b);
		char name[50];
		unsigned long ino = 0;
		sscanf(b, "%49[^:]:[%lu]", name, &ino);
		printf("%s is the inode: %d\n", name, ino == st.st_ino);
		int f = open(a, O_RDONLY);
		printf("type %x\n", ioctl(f, 0xb703));
		R(ioctl(f, 0xb704, &(uid_t){0}));
		R(read(f, b, 1));
		R(open(a, O_RDWR));
		struct statfs fs;
		R(fstatfs(f, &fs));
		printf("%lx\n", (long)fs.f_type);
		close(f);
	}
	int old = open("/proc/self/ns/net", O_RDONLY), oldu = open("/proc/self/ns/uts", O_RDONLY);
	fresh();
	sprintf(a, "/proc/self/fd/%d", old);
	R(same(a, "/proc/self/ns/net"));
	R(same("/proc/self/ns/net", "/proc/thread-self/ns/net"));
	int l = listening("127.0.0.1", 7000);
	// Other namespaces do not hear.
	CHILD("elsewhere", fresh(); dial(SOCK_STREAM, "127.0.0.1", 7000); R(same("/proc/self/ns/net", "/proc/1/ns/net") == 1));
	// A socket stays where it was made.
	int now = open("/proc/self/ns/net", O_RDONLY);
	R(setns(old, CLONE_NEWNET));
	R(same(a, "/proc/self/ns/net"));
	R(setns(now, 0));
	dial(SOCK_STREAM, "127.0.0.1", 7000);
	OK(accept(l, 0, 0));
	R(setns(now, CLONE_NEWUTS));
	R(setns(now, 7));
	R(setns(0, 0));
	R(setns(-1, 0));
	R(setns(oldu, CLONE_NEWUTS));
	int u = open("/proc/self/ns/user", O_RDONLY);
	R(setns(u, 0));
	CHILD("unprivileged", setuid(1000); R(setns(now, 0)); R(unshare(CLONE_NEWNET)));
	// Names in abstract space are a network namespace's.
	struct sockaddr_un n = {AF_UNIX, "\0parity net"};
	int x = socket(AF_UNIX, SOCK_STREAM, 0);
	R(bind(x, (void *)&n, 13));
	R(listen(x, 1));
	R(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&n, 13));
	CHILD("abstract elsewhere", unshare(CLONE_NEWNET); R(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&n, 13)));
	// A name for a namespace, as ip-netns(8) makes them.
	R(unshare(CLONE_NEWNS));
	R(mount("", "/", 0, MS_PRIVATE | MS_REC, 0));
	R(mount("none", "/tmp", "tmpfs", 0, 0));
	close(open("/tmp/name", O_CREAT | O_RDONLY, 0));
	R(mount("/proc/self/ns/net", "/tmp/name", "none", MS_BIND, 0));
	R(same("/tmp/name", "/proc/self/ns/net"));
	fresh();
	R(same("/tmp/name", "/proc/self/ns/net"));
	int f = open("/tmp/name", O_RDONLY);
	OK(f);
	R(setns(f, CLONE_NEWNET));
	R(same("/tmp/name", "/proc/self/ns/net"));
	dial(SOCK_STREAM, "127.0.0.1", 7000);
	FILE *m = fopen("/proc/self/mountinfo", "r");
	char line[1000];
	while (fgets(line, sizeof line, m))
		if (strstr(line, "/tmp/name"))
			printf("%.5s %s", strstr(line, "net:"), strstr(line, " - "));
	R(umount("/tmp/name"));
	R(rename("/tmp/name", "/tmp/other"));
	// clone(2) into new ones.
	int p[2];
	pipe(p);
	fflush(stdout);
	int pid = syscall(SYS_clone, CLONE_NEWNET | CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		struct ifreq r = {.ifr_name = "lo"};
		ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFFLAGS, &r);
		printf("lo is up: %d\n", r.ifr_flags & IFF_UP);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	// Another mount namespace, by a child's file.
	pid = fork();
	if (pid == 0) {
		unshare(CLONE_NEWNS);
		mount("none", "/tmp", "tmpfs", 0, 0);
		close(open("/tmp/inside", O_CREAT | O_RDONLY, 0600));
		write(p[1], "x", 1);
		pause();
	}
	read(p[0], b, 1);
	sprintf(a, "/proc/%d/ns/mnt", pid);
	int mf = open(a, O_RDONLY);
	R(setns(mf, CLONE_NEWNS));
	R(access("/tmp/inside", F_OK));
	kill(pid, SIGKILL);
	R(wait(0) == pid);
	R(access("/tmp/inside", F_OK));
}
