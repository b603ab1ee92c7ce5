// unshare, setns, mount, umount, pivot_root: what needs what, and its errors.
#include "show.h"
#include <sched.h>
#include <sys/mount.h>

int main(void) {
	SHOW(unshare(0));
	SHOW(unshare(CLONE_FILES));
	SHOW(unshare(CLONE_FS));
	SHOW(unshare(CLONE_THREAD));
	SHOW(unshare(0x1));
	SHOW(umount2("missing", 0));
	SHOW(umount2(".", 0));
	SHOW(umount2("/", 0x100));
	SHOW(mount("x", "missing", "tmpfs", 0, NULL));
	SHOW(mount("x", ".", "no-such-file-system", 0, NULL));
	SHOW(mount(NULL, ".", NULL, 0, NULL));
	FORK("user", {
		if (geteuid() == 0)
			MUST(setuid(1000));
		SHOW(mount("x", "/tmp", "tmpfs", 0, NULL));
		SHOW(umount2("/proc", 0));
		SHOW(sethostname("x", 1));
		SHOW(unshare(CLONE_NEWUTS));
		SHOW(unshare(CLONE_NEWNS));
		SHOW(syscall(SYS_pivot_root, ".", "."));
		SHOW(syscall(SYS_settimeofday, &(struct timeval){0}, 0));
		SHOW(syscall(SYS_syslog, 5, 0, 0));
	});
	return 0;
}
