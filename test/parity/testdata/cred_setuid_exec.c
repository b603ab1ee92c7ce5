// Set-id programs: who one becomes, and what no_new_privs and scripts prevent.
// needs: root
#include "show.h"
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>

static void copy(const char *to, int uid, int gid, int mode) {
	int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755));
	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	close(in), close(out);
	MUST(chown(to, uid, gid));
	MUST(chmod(to, mode));
}

int main(int argc, char **argv) {
	if (argc > 1) {
		uid_t r, e, s;
		gid_t a, b, c;
		getresuid(&r, &e, &s), getresgid(&a, &b, &c);
		printf("  %s: uid %d %d %d gid %d %d %d secure %ld dumpable %d\n", argv[1], r, e, s, a, b, c, (long)getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE));
		return 0;
	}
	chmod(".", 0755);
	copy("suid", 0, 0, 04755), copy("suid5", 5, 0, 04755), copy("sgid", 0, 50, 02755), copy("both", 5, 50, 06755), copy("sgid-not-x", 0, 50, 02645), copy("plain", 0, 0, 0755);
	put_file("script", "#!./plain\n"), chmod("script", 04755);
	char *names[] = {"suid", "suid5", "sgid", "both", "sgid-not-x", "plain", "script"};
	for (int uid = 0; uid <= 1000; uid += 1000)
		for (int i = 0; i < 7; i++) {
			printf("user %d\n", uid);
			FORK(names[i], {
				MUST(setresgid(uid, uid, uid)), MUST(setresuid(uid, uid, uid));
				char path[64];
				snprintf(path, 64, "./%s", names[i]);
				execl(path, path, names[i], NULL);
				puts(strerrorname_np(errno));
			});
		}
	FORK("no_new_privs", {
		MUST(setresuid(1000, 1000, 1000));
		MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		execl("./suid", "suid", "no_new_privs", NULL);
	});
	return 0;
}
