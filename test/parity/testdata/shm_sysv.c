#include "t.h"
#include <sys/ipc.h>
#include <sys/shm.h>

static void stat1(int id) {
	struct shmid_ds d;
	if (shmctl(id, IPC_STAT, &d)) {
		printf("IPC_STAT %s\n", strerrorname_np(errno));
		return;
	}
	printf("key %s mode %o size %zu attaches %ld creator %d times %d %d %d\n", d.shm_perm.__key ? "set" : "0", d.shm_perm.mode, d.shm_segsz, (long)d.shm_nattch,
	       d.shm_cpid == getpid(), d.shm_atime != 0, d.shm_dtime != 0, d.shm_ctime != 0);
}

int main() {
	int key = 0x48000000 + getpid();
	R(shmget(key, 100, 0600));
	int id = shmget(key, 100, IPC_CREAT | 0600);
	OK(id);
	R(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600));
	R(shmget(key, 100, 0600) == id);
	R(shmget(key, 0, 0) == id);
	R(shmget(key, 101, 0600));
	R(shmget(key + 1, 0, IPC_CREAT | 0600));
	R(shmget(IPC_PRIVATE, 0, 0600));
	stat1(id);
	char *p = shmat(id, 0, 0);
	OK(p);
	strcpy(p, "hello");
	p[4095] = 'z'; // the page is whole
	stat1(id);
	char *q = shmat(id, 0, SHM_RDONLY);
	R(strcmp(p, q));
	CHILD("read-only", q[0] = 1);
	CHILD("child", stat1(id); strcpy(p, "from child"));
	puts(q);
	stat1(id);
	R(shmdt(p + 4096));
	R(shmdt(p + 1));
	R(shmdt(q));
	R(shmdt(q));
	R(shmat(id, p, 0) == (void *)-1 ? -1 : 0);
	R(shmat(id, p + 1, 0) == (void *)-1 ? -1 : 0);
	R(shmat(id, p + 1, SHM_RND | SHM_REMAP) == p ? 0 : -1);
	stat1(id);
	char line[400];
	FILE *f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, f))
		if (strstr(line, "/SYSV"))
			printf("%.4s %s", strchr(line, ' ') + 1, strstr(line, "(deleted)"));
	fclose(f);
	CHILD("forked", stat1(id); shmdt(p); stat1(id));
	// mprotect and partial unmaps
	R(mprotect(p, 4096, PROT_READ));
	R(shmctl(id, SHM_LOCK, 0));
	stat1(id);
	R(shmctl(id, SHM_UNLOCK, 0));
	struct shmid_ds d;
	shmctl(id, IPC_STAT, &d);
	d.shm_perm.mode = 0640;
	R(shmctl(id, IPC_SET, &d));
	stat1(id);
	R(shmctl(id, IPC_RMID, 0));
	stat1(id);
	R(shmget(key, 100, 0600));
	puts(p);
	int again = shmget(key, 100, IPC_CREAT | 0600);
	printf("another %d\n", again != id);
	R(shmctl(again, IPC_RMID, 0));
	R(shmdt(p));
	stat1(id);
	R(shmat(id, 0, 0) == (void *)-1 ? -1 : 0);
	R(shmctl(-1, IPC_STAT, &d));
	R(shmctl(id, 77, &d));
	// Several pages, across fork.
	id = shmget(IPC_PRIVATE, 3 * 4096 + 1, 0600);
	int *w = shmat(id, 0, 0);
	shmctl(id, IPC_RMID, 0);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			for (int k = 0; k < 1000; k++)
				__atomic_add_fetch(&w[3000], 1, __ATOMIC_SEQ_CST);
			_exit(0);
		}
	while (wait(0) > 0)
		;
	printf("%d\n", w[3000]);
	R(munmap((char *)w + 4096, 4096));
	R(shmdt(w));
	stat1(id);
	// Strangers.
	id = shmget(IPC_PRIVATE, 4096, 0600);
	if (getuid() == 0)
		CHILD("stranger", setuid(1000); R(shmat(id, 0, 0) == (void *)-1 ? -1 : 0); stat1(id); R(shmctl(id, IPC_RMID, 0)); R(shmctl(id, IPC_SET, &d)));
	R(shmctl(id, IPC_RMID, 0));
}
