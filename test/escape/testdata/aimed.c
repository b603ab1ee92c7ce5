// Random system calls that get further than those of fuzz.c: aimed SEED COUNT.
// Children have descriptors of all kinds, memory full of numbers that mean
// something (descriptors, addresses, lengths, families), and take each argument
// from there, four threads at once. The sandbox has to live, whatever they do to themselves.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread unsigned long state;

static unsigned long rnd(void) {
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

#define THREADS 4
#define EACH 25
#define PAGES 16
#define SIZE (PAGES * 4096)
static char *page;
static int nfds;

// number is one that some call understands.
static unsigned long number(void) {
	static const unsigned long edges[] = {
		0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 20, 24, 28, 32, 40, 48, 56, 63, 64, 65, 100, 112, 127, 128, 255, 256, 511, 512, 1023, 1024,
		4095, 4096, 4097, 8192, 65535, 65536, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0xffffffff00000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, -1UL, -2UL, -4096UL, -100UL, 0x7fffffffe000, 0x7ffffffff000,
	};
	switch (rnd() % 8) {
	case 0:
		return rnd() % 64;
	case 1:
		return rnd() % 4096;
	case 2:
		return 1UL << rnd() % 64;
	case 3:
		return (1UL << rnd() % 32) | (1UL << rnd() % 32);
	case 4:
		return rnd() % 3 ? rnd() & 0xffff : rnd();
	default:
		return edges[rnd() % (sizeof edges / sizeof *edges)];
	}
}

static unsigned long address(void) {
	switch (rnd() % 8) {
	case 0: // across the end
		return (unsigned long)page + SIZE - rnd() % 64;
	case 1:
		return (unsigned long)page + rnd() % SIZE;
	case 2:
		return (unsigned long)page + (rnd() % PAGES << 12);
	default:
		return (unsigned long)page + (rnd() % (SIZE / 8) << 3);
	}
}

static unsigned long argument(void) {
	switch (rnd() % 8) {
	case 0:
	case 1:
		return rnd() % nfds;
	case 2:
	case 3:
	case 4:
		return address();
	default:
		return number();
	}
}

// fill makes memory that looks like the structures of calls.
static void fill(void) {
	for (int i = 0; i < SIZE;) {
		unsigned long v;
		switch (rnd() % 8) {
		case 0:
			v = address();
			memcpy(page + i, &v, 8);
			i += 8;
			break;
		case 1:
			v = number();
			memcpy(page + i, &v, 8);
			i += 8;
			break;
		case 2: { // two small numbers
			unsigned p[2] = {rnd() % 32, rnd() % 256};
			memcpy(page + i, p, 8);
			i += 8;
			break;
		}
		case 3: { // a sockaddr of some family
			static const unsigned short families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNSPEC};
			struct sockaddr_in a = {.sin_family = families[rnd() % 6], .sin_port = htons(1024 + rnd() % 8), .sin_addr.s_addr = htonl(0x7f000001)};
			if (i + (int)sizeof a <= SIZE)
				memcpy(page + i, &a, sizeof a);
			i += sizeof a;
			break;
		}
		case 4: { // a message of netlink
			unsigned m[6] = {16 + rnd() % 128, (rnd() % 128) | (rnd() % 16 ? 0x300 + rnd() % 0x800 : 1) << 16, rnd(), 0, rnd() % 256, rnd() % 64};
			if (i + (int)sizeof m <= SIZE)
				memcpy(page + i, m, sizeof m);
			i += sizeof m;
			break;
		}
		case 5: { // attributes of netlink, or control messages
			unsigned short a[4] = {4 + rnd() % 16, rnd() % 32, rnd() % 8, rnd()};
			memcpy(page + i, a, 8);
			i += 8;
			break;
		}
		case 6: {
			static const char *names[] = {"/tmp/a", "/tmp/b", "/proc/self/fd", "/dev/null", "/proc/self/mem", "/tmp", ".", "..", "/", "eth0", "lo", "user.x", "nat", "filter", "/proc/self/ns/net", "/dev/ptmx", "tmpfs", "overlay", "lowerdir=/tmp"};
			const char *s = names[rnd() % (sizeof names / sizeof *names)];
			if (i + 24 <= SIZE)
				strcpy(page + i, s);
			i += 24;
			break;
		}
		default:
			if (rnd() % 4)
				memset(page + i, 0, 8);
			i += 8;
		}
	}
}

static void have(int fd) {
	if (fd >= nfds)
		nfds = fd + 1;
}

static void descriptors(void) {
	int p[2];
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
	static const int protocols[] = {0, 0, 0, 1, 4, 6, 9, 10, 12, 16, 17, 58, 255, 0x300};
	static const char *files[] = {"/proc/self/mem", "/proc/self/maps", "/proc/self", "/dev/null", "/dev/zero", "/dev/ptmx", "/dev/random", "/tmp", "/",
		"/proc/sys/net/ipv4/tcp_rmem", "/proc/net/tcp", "/proc/self/ns/net", "/proc/self/fdinfo", "/sys/class/net", "/dev/shm", "/dev/fuse", "/dev/tty"};
	nfds = 3;
	for (int i = 0; i < 8; i++)
		have(socket(families[rnd() % 5], types[rnd() % 4] | SOCK_NONBLOCK, protocols[rnd() % 14]));
	for (int i = 0; i < 6; i++)
		have(open(files[rnd() % (sizeof files / sizeof *files)], rnd() % 3 | O_NONBLOCK));
	if (pipe2(p, O_NONBLOCK) == 0)
		have(p[1]);
	if (socketpair(AF_UNIX, types[rnd() % 2], 0, p) == 0)
		have(p[1]);
	have(eventfd(0, EFD_NONBLOCK));
	have(epoll_create1(0));
	have(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	have(memfd_create("x", MFD_ALLOW_SEALING));
	have(inotify_init1(IN_NONBLOCK));
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	have(signalfd(-1, &s, SFD_NONBLOCK));
	have(open("/tmp/a", O_RDWR | O_CREAT, 0666));
	have(open("/tmp", O_RDWR | O_TMPFILE, 0666));
	nfds += 2;
}

static int skipped(long nr) {
	switch (nr) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_pidfd_send_signal:
	case SYS_reboot:
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_close_range:
		return 1;
	case SYS_close:
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_mremap:
	case SYS_rt_sigreturn:
		return rnd() % 8 != 0;
	}
	return 0;
}

// one makes a call; every third is one that has many meanings.
static void one(void) {
	static const long many[] = {SYS_setsockopt, SYS_getsockopt, SYS_ioctl, SYS_fcntl, SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_bind, SYS_connect,
		SYS_sendmmsg, SYS_prctl, SYS_mmap, SYS_madvise, SYS_futex, SYS_splice, SYS_epoll_ctl, SYS_ptrace, SYS_bpf, SYS_seccomp, SYS_mount, SYS_keyctl,
		SYS_shmat, SYS_semop, SYS_semctl, SYS_msgsnd, SYS_msgctl, SYS_mq_open, SYS_io_uring_setup, SYS_process_vm_readv, SYS_preadv2, SYS_pwritev2};
	static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, 255, 263, 270, IPPROTO_ICMP, 58};
	static const unsigned long kinds[] = {0x5400, 0x8900, 0x8940, 0x8b00, 0x6600, 0x5300, 0x2100, 0x8980};
	if (rnd() % 3) {
		long nr = rnd() % 470;
		if (!skipped(nr))
			syscall(nr, argument(), argument(), argument(), argument(), argument(), argument());
		return;
	}
	long nr = many[rnd() % (sizeof many / sizeof *many)];
	switch (nr) {
	case SYS_setsockopt:
		syscall(nr, rnd() % nfds, levels[rnd() % 10], rnd() % 90, address(), rnd() % 300, 0);
		break;
	case SYS_getsockopt: {
		unsigned *len = (unsigned *)(page + (rnd() % (SIZE / 8) << 3));
		*len = rnd() % 4 ? rnd() % 600 : number();
		syscall(nr, rnd() % nfds, levels[rnd() % 10], rnd() % 90, address(), len, 0);
		break;
	}
	case SYS_ioctl:
		syscall(nr, rnd() % nfds, kinds[rnd() % 8] + rnd() % 128, argument(), 0, 0, 0);
		break;
	case SYS_bind:
	case SYS_connect:
		syscall(nr, rnd() % nfds, address(), rnd() % 4 ? 16 + rnd() % 16 : rnd() % 256, 0, 0, 0);
		break;
	case SYS_sendto:
		syscall(nr, rnd() % nfds, address(), rnd() % 300, rnd() % 4 ? 0x40 : number(), rnd() % 2 ? address() : 0, rnd() % 40);
		break;
	case SYS_bpf:
	case SYS_prctl:
	case SYS_fcntl:
		syscall(nr, rnd() % 80, argument(), argument(), argument(), argument(), 0);
		break;
	default:
		syscall(nr, argument(), argument(), argument(), argument(), argument(), argument());
	}
}

static void *calls(void *seed) {
	state = (unsigned long)seed;
	for (int i = 0; i < EACH; i++) {
		alarm(1);
		one();
	}
	return 0;
}

static void child(void) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 3; i++) // the parent has its streams for itself
		dup2(open("/dev/null", O_RDWR), i);
	descriptors();
	fill();
	pthread_t t[THREADS];
	int n = 0;
	while (n < THREADS && pthread_create(&t[n], 0, calls, (void *)(rnd() | 1)) == 0)
		n++;
	while (n > 0)
		pthread_join(t[--n], 0);
	_exit(0);
}

int main(int argc, char **argv) {
	long seed = atol(argv[1]), count = atol(argv[2]);
	page = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	setpgid(0, 0);
	for (int i = 1; i < 65; i++)
		if (i != SIGCHLD && i != SIGKILL && i != SIGALRM)
			signal(i, SIG_IGN); // of children that signal their group
	for (long n = 0; n < count; n += 100) {
		state = seed * 1000003 + n + 1;
		for (int i = 0; i < 8; i++)
			rnd();
		pid_t p = fork();
		if (p == 0) {
			for (int i = 1; i < 65; i++)
				signal(i, SIG_DFL);
			child();
		}
		for (int i = 0; i < 400; i++) {
			if (waitpid(p, 0, WNOHANG | WUNTRACED) == p && kill(p, 0) != 0)
				break;
			kill(p, SIGCONT);
			usleep(i < 20 ? 1000 : 10000);
			if (i == 399) {
				kill(p, SIGKILL);
				waitpid(p, 0, 0);
			}
		}
	}
	puts("all called");
	return 0;
}
