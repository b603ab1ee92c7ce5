// A mount namespace of one's own: tmpfs, bind mounts, read-only ones.
// needs: root
#include "show.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

int main(void) {
	SHOW(unshare(CLONE_NEWNS));
	SHOW(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	mkdir("m", 0755), mkdir("b", 0755), put_file("m/under", "covered");
	SHOW(mount("scratch", "m", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=1700"));
	SHOW(access("m/under", F_OK));
	struct stat st;
	stat("m", &st);
	printf("mode %o\n", st.st_mode);
	struct statfs sf;
	statfs("m", &sf);
	printf("type %lx size %ld\n", (long)sf.f_type, (long)(sf.f_blocks * sf.f_bsize));
	put_file("m/f", "in tmpfs");
	int fd = MUST(open("m/big", O_CREAT | O_RDWR, 0644));
	char *b = calloc(1, 1 << 20);
	ssize_t n = write(fd, b, 1 << 20);
	printf("part fits %d\n", n > 0 && n < 1 << 20);
	SHOW(write(fd, b, 4096 * 16));
	SHOW(ftruncate(fd, 0));
	SHOW(umount2("m", 0));
	close(fd);
	SHOW(rename("m/f", "b/f"));
	SHOW(link("m/f", "b/f"));
	SHOW(rmdir("m"));
	SHOW(rename("m", "m2"));
	SHOW(mount("m", "b", NULL, MS_BIND, NULL));
	cat_file("b/f");
	put_file("b/g", "through the bind"), cat_file("m/g");
	SHOW(mount(NULL, "b", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	SHOW(open("b/new", O_CREAT | O_WRONLY, 0644));
	SHOW(open("b/f", O_WRONLY));
	SHOW(mkdir("b/d", 0755));
	SHOW(unlink("b/f"));
	SHOW(chmod("b/f", 0600));
	SHOW(utimensat(AT_FDCWD, "b/f", NULL, 0));
	SHOW(access("b/f", W_OK));
	SHOW(truncate("b/f", 0));
	SHOW(open("m/new", O_CREAT | O_WRONLY, 0644) > 0);
	SHOW(umount2("b", 0));
	SHOW(umount2("b", 0));
	put_file("file1", "one"), put_file("file2", "two");
	SHOW(mount("file1", "file2", NULL, MS_BIND, NULL));
	cat_file("file2");
	SHOW(unlink("file2"));
	SHOW(umount2("file2", UMOUNT_NOFOLLOW));
	int d = MUST(open("m", O_RDONLY));
	SHOW(umount2("m", 0));
	SHOW(umount2("m", MNT_DETACH));
	SHOW(faccessat(d, "f", F_OK, 0));
	cat_file("m/under");
	SHOW(mount("x", "file1", "tmpfs", 0, NULL));
	SHOW(mount("x", "m", "tmpfs", 0, "size=nonsense"));
	mkdir("p", 0755);
	SHOW(mount("proc", "p", "proc", 0, NULL));
	SHOW(access("p/self/stat", F_OK));
	return 0;
}
