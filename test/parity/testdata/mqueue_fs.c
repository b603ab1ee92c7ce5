// The file system of message queues: what its files say and allow.
// needs: root
#include "t.h"
#include <mqueue.h>

static void list(void) {
	DIR *d = opendir("m");
	struct dirent *e;
	int n = 0;
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, "hull-parity-fs", 14))
			printf("entry %s type %d\n", e->d_name, e->d_type), n++;
	closedir(d);
	printf("%d entries\n", n);
}

int main(void) {
	umask(022);
	R(unshare(CLONE_NEWNS));
	R(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
	mkdir("m", 0755), mkdir("m2", 0755);
	R(mount("q", "m", "mqueue", 0, "mode=700"));
	R(mount("q", "m", "mqueue", MS_NOSUID, 0));
	R(mount("q", "m2", "mqueue", 0, 0));
	struct stat st;
	struct statfs sf;
	R(stat("m", &st));
	printf("mode %o nlink %ld uid %d\n", st.st_mode, (long)st.st_nlink, st.st_uid);
	R(statfs("m", &sf));
	printf("type %lx name %ld\n", (long)sf.f_type, (long)sf.f_namelen);
	long empty = st.st_size;
	struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 50};
	mqd_t q = mq_open("/hull-parity-fs", O_RDWR | O_CREAT, 0666, &a);
	R(stat("m", &st));
	printf("grew %ld\n", (long)st.st_size - empty);
	R(stat("m/hull-parity-fs", &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	list();
	mq_send(q, "12345", 5, 0);
	show("m/hull-parity-fs");
	show("m2/hull-parity-fs");
	int fd = open("m2/hull-parity-fs", O_RDWR);
	char b[64];
	R(mq_receive(fd, b, 50, 0)); // any open of it is a queue descriptor
	R(mq_send(fd, "abc", 3, 0));
	R(mq_receive(q, b, 50, 0));
	R(write(fd, "x", 1));
	R(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	R(open("m/hull-parity-fs2", O_CREAT | O_RDWR | O_EXCL, 0640));
	R(stat("m2/hull-parity-fs2", &st));
	printf("mode %o\n", st.st_mode);
	R(mknod("m/hull-parity-fs3", S_IFREG | 0600, 0));
	R(mknod("m/hull-parity-fs4", S_IFIFO | 0600, 0));
	R(mkdir("m/d", 0755));
	R(symlink("x", "m/hull-parity-fs5"));
	R(link("m/hull-parity-fs", "m/hull-parity-fs6"));
	R(rename("m/hull-parity-fs", "m/hull-parity-fs6"));
	R(truncate("m/hull-parity-fs3", 5));
	R(stat("m/hull-parity-fs3", &st));
	printf("size %ld\n", (long)st.st_size);
	R(chmod("m/hull-parity-fs3", 0400));
	R(chown("m/hull-parity-fs3", 7, 8));
	CHILD("sticky", setresuid(99, 99, 99); R(unlink("m/hull-parity-fs3")); R(mq_unlink("/hull-parity-fs3"));
	      R(mq_open("/hull-parity-fs3", O_RDONLY)));
	CHILD("owner", setresuid(7, 7, 7); R(mq_open("/hull-parity-fs3", O_WRONLY)); OK(mq_open("/hull-parity-fs3", O_RDONLY)));
	R(unlink("m2/hull-parity-fs3"));
	R(access("m/hull-parity-fs3", F_OK));
	R(mq_unlink("/hull-parity-fs2"));
	R(access("m/hull-parity-fs2", F_OK));
	R(unlink("m/hull-parity-fs"));
	R(mq_open("/hull-parity-fs", O_RDWR));
	R(mq_unlink("/hull-parity-fs"));
	list();
	R(mq_send(q, "abc", 3, 0));
	close(fd), mq_close(q);
	R(umount2("m2", 0));
	R(umount2("m", 0));
	rmdir("m"), rmdir("m2");
	return 0;
}
