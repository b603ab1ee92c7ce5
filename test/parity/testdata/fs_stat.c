// stat, fstatat, statx: fields and flags.
#include "show.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static void st(const char *name, struct stat *s) {
	printf("%s: mode %o nlink %s size %ld uid %d gid %d\n", name, s->st_mode, S_ISDIR(s->st_mode) ? "-" : s->st_nlink == 1 ? "1" : "more", S_ISDIR(s->st_mode) ? 0 : (long)s->st_size, s->st_uid, s->st_gid);
}

int main(void) {
	struct stat s;
	put_file("f", "12345");
	MUST(mkdir("d", 0711)), MUST(symlink("f", "l")), MUST(mkfifo("p", 0604));
	stat("f", &s), st("f", &s);
	printf("blocks are of 512: %d\n", s.st_blocks * 512 >= s.st_size && s.st_blksize >= 512);
	stat("d", &s), st("d", &s);
	stat("l", &s), st("l", &s);
	lstat("l", &s), st("l itself", &s);
	stat("p", &s), st("p", &s);
	stat("/dev/null", &s);
	printf("null: %o %d:%d\n", s.st_mode, major(s.st_rdev), minor(s.st_rdev));
	stat("/dev/zero", &s);
	printf("zero: %o %d:%d\n", s.st_mode, major(s.st_rdev), minor(s.st_rdev));
	int p[2];
	MUST(pipe(p));
	fstat(p[0], &s);
	printf("pipe: %o\n", s.st_mode);
	SHOW(fstatat(AT_FDCWD, "l", &s, AT_SYMLINK_NOFOLLOW));
	printf("link %d\n", S_ISLNK(s.st_mode));
	SHOW(fstatat(AT_FDCWD, "", &s, 0));
	int fd = MUST(open("f", O_RDONLY));
	SHOW(fstatat(fd, "", &s, AT_EMPTY_PATH));
	st("empty path", &s);
	SHOW(fstatat(AT_FDCWD, "f", &s, 0x4000000));
	SHOW(fstatat(99, "f", &s, 0));
	SHOW(fstatat(fd, "f", &s, 0));
	SHOW(fstat(99, &s));
	SHOW(stat("missing", &s));
	SHOW(stat("f/x", &s));
	struct statx x;
	memset(&x, 0, sizeof x);
	SHOW(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
	printf("mask has the basics %d; mode %o nlink %u size %llu uid %u\n", (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS, x.stx_mode, x.stx_nlink, (unsigned long long)x.stx_size, x.stx_uid);
	stat("f", &s);
	printf("agrees with stat: ino %d mtime %d dev %d\n", x.stx_ino == s.st_ino, x.stx_mtime.tv_sec == s.st_mtim.tv_sec && x.stx_mtime.tv_nsec == s.st_mtim.tv_nsec, makedev(x.stx_dev_major, x.stx_dev_minor) == s.st_dev);
	SHOW(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
	printf("link %d\n", S_ISLNK(x.stx_mode));
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "f", 0, 1U << 31, &x));
	SHOW(statx(AT_FDCWD, "f", 0x10000000, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, NULL, 0, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "f", AT_STATX_SYNC_AS_STAT, STATX_SIZE, (void *)8));
	struct statfs sf;
	SHOW(statfs(".", &sf));
	printf("shape: block size %d, name length %ld\n", sf.f_bsize > 0, (long)sf.f_namelen);
	SHOW(statfs("/proc", &sf));
	printf("proc %lx\n", (long)sf.f_type);
	SHOW(fstatfs(p[0], &sf));
	printf("pipe %lx\n", (long)sf.f_type);
	SHOW(statfs("missing", &sf));
	return 0;
}
