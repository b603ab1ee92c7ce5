package jail

import "golang.org/x/sys/unix"

// threadFlags is how pthread_create makes a thread, and the only clone allowed.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD |
	unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID

// runtimeRules are what a sealed Go program needs to live. It has set
// its signals' dispositions before.
func runtimeRules() []Rule {
	var rules []Rule
	for _, part := range [][]Rule{
		allow("Go: sleep and wake threads", "futex", "nanosleep", "sched_yield"),
		allow("Go: a sleep that a stop signal interrupted", "restart_syscall"),
		allow("Go: clocks when the vDSO falls back", "clock_gettime"),
		allow("Go: signal masks and stacks of threads", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"),
		allow("Go: preempt its own threads; platform: interrupt a stub", "tgkill"),
		allow("Go: who am I, to preempt", "getpid", "gettid"),
		allow("Go: give memory back", "munmap", "madvise"),
		{{
			Call: "mmap", Args: []Arg{without(2, unix.PROT_EXEC)},
			Reason: "Go heap, thread stacks, guest memory; never executable",
		}, {
			Call: "mprotect", Args: []Arg{without(2, unix.PROT_EXEC)},
			Reason: "thread stacks' guard pages; never executable",
		}, {
			Call: "clone", Args: []Arg{{0, allBits, threadFlags}},
			Reason: "a thread, with exactly pthread's flags",
		}, {
			Call: "clone3", Errno: unix.ENOSYS,
			Reason: "flags are in memory, out of a filter's sight: glibc falls back to clone",
		}, {
			Call: "set_robust_list", Errno: unix.ENOSYS,
			Reason: "glibc: start of a thread, which does without",
		}},
		allow("glibc: start of a thread", "rseq"),
		allow("Go: end of a thread, of the process", "exit", "exit_group"),
		allow("Go: wait for timers and descriptors", "epoll_pwait"),
		allow("Go: wake the poller; the log, streams, the control socket", "read", "write"),
		allow("let go of descriptors", "close"),
	} {
		rules = append(rules, part...)
	}
	return rules
}

// Platforms are the names of what can run guest code, the best first.
func Platforms() []string { return []string{"ptrace"} }

// platformRules returns the rules for what runs guest code, nil if name is
// unknown.
func platformRules(name string) []Rule {
	if name != "ptrace" {
		return nil
	}
	var rules []Rule
	for _, part := range [][]Rule{
		each("ptrace platform: its own stubs", "ptrace", 0,
			unix.PTRACE_GETREGS, unix.PTRACE_SETREGS, unix.PTRACE_POKEUSR, unix.PTRACE_GETREGSET, unix.PTRACE_SETREGSET,
			unix.PTRACE_SYSEMU, unix.PTRACE_CONT, unix.PTRACE_INTERRUPT, unix.PTRACE_DETACH,
			unix.PTRACE_GETSIGINFO, unix.PTRACE_GET_SYSCALL_INFO, unix.PTRACE_PEEKDATA),
		{{
			Call: "ptrace", Args: []Arg{is(0, unix.PTRACE_SEIZE), {3, allBits &^ unix.PTRACE_O_TRACEEXIT, unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL}},
			Reason: "ptrace platform: a stub dies with its tracer, and may stop before",
		}},
		allow("ptrace platform: wait for a stub to stop", "wait4"),
		allow("ptrace platform: end a stub", "kill"),
		allow("ptrace platform: stub and its thread on one processor", "sched_setaffinity", "getcpu"),
	} {
		rules = append(rules, part...)
	}
	return rules
}

// soPeerName is SO_PEERNAME, by which getsockopt(2) says what getpeername(2) does.
const soPeerName = 0x1c

// SentryRules returns what a sentry on the given platform may ask of the host.
// It is nil if there is no such platform.
func SentryRules(platform string) []Rule {
	own := platformRules(platform)
	if own == nil {
		return nil
	}
	rules := append(runtimeRules(), own...)
	for _, part := range [][]Rule{
		allow("Go: put descriptors into the poller", "epoll_ctl"),
		each("descriptors' flags", "fcntl", 1, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC),
		each("a seccomp agent outside: which stub has the memory", "fcntl", 1, unix.F_SETOWN),
		allow("guest memory: reserve and give back", "fallocate", "ftruncate"),
		allow("files that the gofer donated: data at an offset", "pread64", "pwrite64", "preadv", "pwritev"),
		allow("files that the gofer donated, standard streams: attributes, offset", "fstat", "lseek"),
		allow("standard streams: data", "readv", "writev"),
		allow("standard streams: readiness", "ppoll"),
		allow("files that the gofer donated: to stable storage", "fsync", "fdatasync"),
		allow("gofer and control sockets", "sendmsg", "recvmsg"),
		allow("the network's packet sockets, which the launcher opened", "sendmmsg", "recvmmsg"),
		allow("the control socket of a detached sandbox: new conversations", "accept4"),
		allow("sockets that the caller hands over: name, end of one direction", "getsockname", "shutdown"),
		each("sockets that the caller hands over: what they are, to whom they are connected", "getsockopt", 2,
			unix.SO_TYPE, unix.SO_DOMAIN, unix.SO_PROTOCOL, unix.SO_ACCEPTCONN, unix.SO_ERROR, soPeerName),
		allow("entropy for getrandom(2) of the guest", "getrandom"),
		{{
			Call: "membarrier", Args: []Arg{is(0, 1)}, // MEMBARRIER_CMD_GLOBAL
			Reason: "membarrier(2) of the guest: a barrier on all processors",
		}},
		each("the caller's terminal: modes, size", "ioctl", 1,
			unix.TCGETS, unix.TCSETS, unix.TCSETSW, unix.TCSETSF, unix.TIOCGWINSZ, unix.TIOCSWINSZ,
			unix.TIOCINQ, unix.TIOCOUTQ, unix.TCFLSH, unix.TCSBRK, unix.TCXONC),
	} {
		rules = append(rules, part...)
	}
	return rules
}

// ProxyRules returns what a network proxy may ask of the host: sockets of the
// Internet's protocols for what a guest connects to, and nothing of files.
func ProxyRules() []Rule {
	rules := runtimeRules()
	socket := func(family, typ uint64) Rule {
		const kind = 0xf // the rest of the type are flags
		return Rule{Call: "socket", Args: []Arg{is(0, family), {1, kind, typ}}, Reason: "sockets for the guest's connections, datagrams and echoes"}
	}
	option := func(level, name uint64) Rule {
		return Rule{Call: "setsockopt", Args: []Arg{is(1, level), is(2, name)}, Reason: "what Go sets on each socket, and resets"}
	}
	tells := func(level, name uint64) Rule {
		r := option(level, name)
		r.Reason = "which of the guest's datagrams was refused"
		return r
	}
	for _, part := range [][]Rule{
		{socket(unix.AF_INET, unix.SOCK_STREAM), socket(unix.AF_INET, unix.SOCK_DGRAM)},
		{socket(unix.AF_INET6, unix.SOCK_STREAM), socket(unix.AF_INET6, unix.SOCK_DGRAM)},
		allow("what the guest connects to", "connect"),
		{
			option(unix.SOL_SOCKET, unix.SO_BROADCAST), option(unix.SOL_SOCKET, unix.SO_KEEPALIVE), option(unix.SOL_SOCKET, unix.SO_LINGER),
			option(unix.IPPROTO_TCP, unix.TCP_NODELAY), option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL),
			option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT), option(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY),
			tells(unix.IPPROTO_IP, unix.IP_RECVERR), tells(unix.IPPROTO_IPV6, unix.IPV6_RECVERR),
		},
		allow("what became of a connection; addresses of sockets", "getsockopt", "getsockname", "getpeername"),
		allow("the ports that are the guest's, which the launcher opened", "accept4"),
		allow("datagrams", "sendto", "recvfrom", "sendmsg", "recvmsg"),
		allow("the link with the guest", "sendmmsg", "recvmmsg"),
		allow("room on the link", "ppoll"),
		allow("end of one direction of a connection", "shutdown"),
		allow("Go: put descriptors into the poller", "epoll_ctl"),
		allow("Go: what a descriptor is", "fstat"),
		each("descriptors' flags", "fcntl", 1, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC),
		allow("entropy for sequence numbers", "getrandom"),
	} {
		rules = append(rules, part...)
	}
	return rules
}

// AgentRules returns what the helper of a seccomp agent may ask of the host: it has
// a device of FUSE, a socket, and as proc a descriptor of /proc.
func AgentRules(proc int) []Rule {
	rules := runtimeRules()
	for _, part := range [][]Rule{
		allow("Go: put descriptors into the poller", "epoll_ctl"),
		allow("Go: what a descriptor is", "fstat"),
		each("descriptors' flags; which stub has the memory", "fcntl", 1, unix.F_GETFL, unix.F_SETFL, unix.F_GETOWN),
		allow("a descriptor that the agent names is the guest's: get it from the agent", "pidfd_open", "pidfd_getfd"),
		allow("a descriptor that the agent names is the guest's: hand it to the sentry", "sendmsg"),
		{{
			Call: "openat", Args: []Arg{is(0, uint64(proc)), is(2, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE)},
			Reason: "of which process a thread of the agent's is, on a host older than Linux 6.9",
		}},
	} {
		rules = append(rules, part...)
	}
	return rules
}

// GoferRules returns what a gofer may ask of the host: all names beneath the
// directory descriptors that it holds, in a mount namespace of its own.
func GoferRules() []Rule {
	rules := runtimeRules()
	for _, part := range [][]Rule{
		allow("one component at a time, beneath a directory", "openat2"),
		allow("attributes", "statx", "fstatfs"),
		allow("directories and links: read", "getdents64", "lseek", "readlinkat"),
		allow("directories: change", "mkdirat", "mknodat", "symlinkat", "linkat", "unlinkat", "renameat2"),
		allow("attributes: change", "fchmod", "fchmodat2", "fchownat", "utimensat", "ftruncate"),
		allow("end of the connection", "shutdown"),
		allow("extended attributes", "fgetxattr", "fsetxattr", "flistxattr", "fremovexattr"),
		allow("to stable storage", "fsync"),
		allow("the connection to the sentry", "sendmsg", "recvmsg"),
	} {
		rules = append(rules, part...)
	}
	return rules
}
