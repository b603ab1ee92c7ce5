// What a program inside tries with the processor alone: the 32-bit modes, the
// end of the address space, where a platform may keep code of its own, and
// forged signal frames that are nearly right. Each attempt prints one line:
// "refused" or "ESCAPED".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static void verdict(const char *what, int escaped) {
	printf("%s: %s\n", what, escaped ? "ESCAPED" : "refused");
	fflush(stdout);
}

static sigjmp_buf back;
static volatile long rax;

static void caught(int s, siginfo_t *i, void *c) {
	(void)s, (void)i;
	rax = ((ucontext_t *)c)->uc_mcontext.gregs[REG_RAX];
	siglongjmp(back, 1);
}

static void catch_all(void) {
	static char alt[65536];
	sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = sizeof alt}, 0);
	struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS, SIGALRM};
	for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++)
		sigaction(sigs[i], &sa, 0);
}

// in_child runs f in a child; what f returns is the verdict.
static void in_child(const char *what, int (*f)(void)) {
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		catch_all();
		alarm(10);
		_exit(f());
	}
	int st = 0;
	waitpid(p, &st, 0);
	verdict(what, WIFEXITED(st) && WEXITSTATUS(st) != 0);
}

// call32 runs an instruction in 32-bit mode with the registers of getpid(2) of
// the 32-bit table. It escaped if the answer is a process id that is not ours.
static int call32(const char *insn, int len) {
	unsigned char *low = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned char code[32] = {0xb8, 20, 0, 0, 0, 0xbd}; // mov $20, %eax; mov $stack, %ebp
	uint32_t stack = (uint32_t)(uintptr_t)low + 8000;
	memcpy(code + 6, &stack, 4);
	memcpy(code + 10, insn, len);
	memcpy(code + 10 + len, "\x0f\x0b", 2); // ud2: eax arrives in the handler
	memcpy(low, code, sizeof code);
	rax = -ENOSYS;
	if (!sigsetjmp(back, 1)) {
		struct {
			uint64_t ip, cs, flags, sp, ss;
		} frame = {(uintptr_t)low, 0x23, 0x202, stack, 0x2b};
		__asm__ volatile("mov %0, %%rsp; iretq" ::"r"(&frame) : "memory");
	}
	int answer = (int)rax;
	return answer > 0 && answer != getpid() && answer != 20;
}

static int compat_int80(void) { return call32("\xcd\x80", 2); }
static int compat_sysenter(void) { return call32("\x0f\x34", 2); }
static int compat_syscall(void) { return call32("\x0f\x05", 2); }

static int long_int80(void) {
	rax = -ENOSYS;
	long r = -ENOSYS;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
	return r > 0 && r != getpid();
}

// vsyscall calls the old page, which the host's kernel would answer itself.
static int vsyscall(void) {
	time_t t = 0;
	if (!sigsetjmp(back, 1))
		t = ((time_t(*)(time_t *))0xffffffffff600400)(0);
	return t != 0 && labs(t - time(0)) > 5;
}

enum { WINDOW = 1 << 18 };
static char *const top = (char *)(1UL << 47) - 4096;

// jump_top enters every place near the end of the address space with registers
// that would make host calls out of code found there.
static int jump_top(void) {
	static long table[7 * 8];
	for (int i = 0; i < 8; i++)
		table[i * 7] = SYS_getpid;
	int bad = 0;
	for (char *page = top - WINDOW; page < top; page += 4096)
		for (volatile int off = 0; off < 96; off++) {
			rax = 0;
			setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, 0);
			if (!sigsetjmp(back, 1))
				__asm__ volatile("mov %0, %%r11; mov $39, %%eax; lea 280(%1), %%rbp; mov %1, %%rbx; jmp *%%r11" ::"r"(page + off), "r"((char *)table) : "memory");
			bad |= rax > 1 && rax < 1 << 22 && rax != getpid() && rax != SYS_getpid && rax != SYS_pause;
		}
	return bad;
}

static int write_top(void) {
	volatile int wrote = 0;
	for (char *volatile page = top - WINDOW / 4; page < top; page += 4096)
		if (!sigsetjmp(back, 1)) {
			*(volatile char *)page = 0;
			wrote++;
		}
	return wrote;
}

// change_top asks for changes of mappings there; none may be granted.
static int change_top(void) {
	int zero = open("/dev/zero", O_RDWR), granted = 0, p[2];
	pipe(p);
	for (char *page = top - 0xf000; page < top; page += 4096) {
		granted += munmap(page, 4096) == 0;
		granted += mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
		granted += mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
		granted += madvise(page, 4096, MADV_DONTNEED) == 0;
		granted += mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x10000000) != MAP_FAILED;
		granted += read(zero, page, 64) > 0;
		granted += write(p[1], page, 64) > 0;
	}
	granted += munmap(0, -1UL) == 0;
	return granted;
}

// Forged frames: a signal arrives, its frame is changed, sigreturn takes it.
static int kind;

static void forge(int s, siginfo_t *i, void *c) {
	(void)s, (void)i;
	ucontext_t *u = c;
	greg_t *g = u->uc_mcontext.gregs;
	struct _libc_fpstate *fp = u->uc_mcontext.fpregs;
	switch (kind) {
	case 0: g[REG_CSGSFS] = 0; break;
	case 1: g[REG_CSGSFS] = g[REG_CSGSFS] & ~0xffffL | 0x10; break; // the kernel's
	case 2: g[REG_CSGSFS] = g[REG_CSGSFS] & ~0xffffL | 0x23; break; // 32 bits
	case 3: g[REG_CSGSFS] = g[REG_CSGSFS] & 0xffffffffffffL | 0x18L << 48; break;
	case 4: g[REG_EFL] |= 0x3000; break;  // IOPL
	case 5: g[REG_EFL] |= 0x24000; break; // NT, VM
	case 6: g[REG_RIP] = 0xffffffff81000000; break;
	case 7: g[REG_RIP] = 1L << 62; break;
	case 8: g[REG_RSP] = 1L << 62; break;
	case 9: u->uc_mcontext.fpregs = (void *)0xffffffff81000000; break;
	case 10: u->uc_mcontext.fpregs = (void *)((char *)fp + 1); break;
	case 11: u->uc_mcontext.fpregs = (void *)8; break;
	case 12: fp->mxcsr = 0xffffffff; break;
	case 13: memset((char *)fp + 512, 0xff, 64); break;         // header of the extended state
	case 14: *(uint64_t *)((char *)fp + 512) = 1UL << 63; break; // unknown components
	case 15: memset((char *)fp + 464, 0xff, 48); break;         // its magic and sizes
	case 16: memset(fp, 0xff, 512); break;
	case 17: memset(&u->uc_stack, 0xff, sizeof u->uc_stack); break;
	case 18: memset(&u->uc_sigmask, 0xff, 8); break;
	case 19: g[REG_RIP] = (greg_t)(top - 0xe000); break;
	}
}

static int forged(void) {
	struct sigaction sa = {.sa_sigaction = forge, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, 0);
	if (!sigsetjmp(back, 1)) {
		raise(SIGUSR1);
		unsigned long flags;
		unsigned short cs;
		__asm__ volatile("pushfq; pop %0; mov %%cs, %1" : "=r"(flags), "=r"(cs));
		if ((flags & 0x3000) || (cs & 3) != 3)
			return 1;
		__asm__ volatile("outb %al, $0x80"); // faults, if all is well
		return 1;
	}
	return 0;
}

int main(void) {
	in_child("int 0x80", long_int80);
	in_child("int 0x80 of 32-bit code", compat_int80);
	in_child("sysenter of 32-bit code", compat_sysenter);
	in_child("syscall of 32-bit code", compat_syscall);
	in_child("vsyscall page", vsyscall);
	in_child("writes to the end of the address space", write_top);
	in_child("changes to the end of the address space", change_top);
	in_child("jumps to the end of the address space", jump_top);
	for (kind = 0; kind < 20; kind++) {
		char name[40];
		snprintf(name, sizeof name, "forged frame %d", kind);
		in_child(name, forged);
	}
	// The sandbox must still work.
	int st = -1;
	pid_t p = fork();
	if (p == 0)
		_exit(0);
	waitpid(p, &st, 0);
	puts(st == 0 ? "all tried" : "broken");
	return 0;
}
