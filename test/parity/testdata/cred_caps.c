// Capabilities: sets, the bounding set, keepcaps, ambient, no_new_privs.
// needs: root
#include "show.h"
#include <linux/capability.h>
#include <sys/prctl.h>

static struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
static struct __user_cap_data_struct d[2];

static long get(void) { return syscall(SYS_capget, &h, d); }
static long set(void) { return syscall(SYS_capset, &h, d); }
static int has(int cap) { return get(), (d[cap / 32].effective >> (cap % 32)) & 1; }

int main(void) {
	SHOW(get());
	printf("root: chown %d kill %d setuid %d\n", has(CAP_CHOWN), has(CAP_KILL), has(CAP_SETUID));
	h.version = 1;
	SHOW(get());
	printf("version %x\n", h.version);
	SHOW(syscall(SYS_capget, &h, NULL));
	h.pid = -1;
	SHOW(get());
	h.pid = 1 << 22;
	SHOW(get());
	h.pid = 0;
	FORK("drop one", {
		get();
		d[0].effective &= ~(1 << CAP_CHOWN);
		SHOW(set());
		put_file("f", "");
		SHOW(chown("f", 1000, -1));
		d[0].effective |= 1 << CAP_CHOWN;
		SHOW(set());
		SHOW(chown("f", 1000, -1));
		d[0].effective &= ~(1 << CAP_CHOWN), d[0].permitted &= ~(1 << CAP_CHOWN);
		SHOW(set());
		d[0].effective |= 1 << CAP_CHOWN;
		SHOW(set());
		d[0].permitted |= 1 << CAP_CHOWN;
		SHOW(set());
	});
	FORK("setuid drops", { MUST(setuid(1000)); get(); printf("%x %x\n", d[0].effective, d[0].permitted); });
	FORK("keepcaps", {
		SHOW(prctl(PR_SET_KEEPCAPS, 1));
		MUST(setuid(1000)), get();
		printf("effective %x, permitted kept %d\n", d[0].effective, (d[0].permitted >> CAP_KILL) & 1);
	});
	FORK("seteuid", {
		MUST(seteuid(1000)), printf("effective kill %d ", has(CAP_KILL));
		printf("permitted %d\n", (d[0].permitted >> CAP_KILL) & 1);
		MUST(seteuid(0)), printf("back %d\n", has(CAP_KILL));
	});
	FORK("bounding", {
		SHOW(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
		SHOW(prctl(PR_CAPBSET_READ, CAP_SYS_TIME));
		SHOW(prctl(PR_CAPBSET_DROP, 99));
		get(), d[0].effective = 0, set();
		SHOW(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	});
	FORK("ambient", {
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
		get(), d[0].inheritable |= 1 << CAP_KILL;
		SHOW(set());
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
		SHOW(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
	});
	FORK("ambient over exec", {
		get(), d[0].inheritable |= 1 << CAP_CHOWN, set();
		MUST(prctl(PR_SET_KEEPCAPS, 1));
		MUST(setuid(1000));
		get(), d[0].effective = d[0].permitted, set();
		SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
		execl("/bin/grep", "grep", "-E", "CapAmb|CapEff", "/proc/self/status", NULL);
	});
	FORK("securebits", {
		SHOW(prctl(PR_GET_SECUREBITS));
		SHOW(prctl(PR_SET_SECUREBITS, 1));
		SHOW(prctl(PR_GET_SECUREBITS));
		MUST(setuid(1000));
		SHOW(prctl(PR_SET_SECUREBITS, 0));
	});
	return 0;
}
