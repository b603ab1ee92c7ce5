#include "t.h"

int main(int argc, char **argv) {
	mkdir("m", 0755);
	CHILD("in a namespace", {
		R(unshare(CLONE_NEWNS));
		mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
		R(mount("none", "m", "tmpfs", 0, "size=1m"));
		spew("m/f", "inside");
		show("m/f");
		char b[65536];
		int fd = open("m/big", O_CREAT | O_RDWR, 0644);
		long n = 0;
		ssize_t k;
		while ((k = write(fd, b, sizeof b)) > 0)
			n += k;
		printf("%d %s\n", n > 900000 && n <= 1 << 20, strerrorname_np(errno));
		R(umount("m"));
		close(fd);
		R(umount("m"));
		R(access("m/f", F_OK));
		R(umount("m"));
		mkdir("s", 0755);
		spew("s/x", "bound");
		R(mount("s", "m", 0, MS_BIND, 0));
		show("m/x");
		R(mount(0, "m", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
		R(open("m/y", O_CREAT | O_RDWR, 0644));
		R(unlink("m/x"));
		R(umount2("m", MNT_DETACH));
		R(mount("none", "m", "nonsensefs", 0, 0));
		R(mount("none", "none", "tmpfs", 0, 0));
		R(mount("none", "m", "tmpfs", 0, "bogus=1"));
	});
	CHILD("as a user", {
		setuid(1000);
		R(mount("none", "m", "tmpfs", 0, 0));
		R(umount("m"));
		R(chroot("."));
	});
	CHILD("chroot", {
		mkdir("r", 0755);
		spew("r/in", "root");
		R(chroot("r"));
		R(chdir("/"));
		show("/in");
		R(open("/../in", O_RDONLY) >= 0);
		R(access("/etc", F_OK));
	});
	return 0;
}
