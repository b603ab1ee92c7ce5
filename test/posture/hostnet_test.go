package posture

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/sentry/seccomp"
)

// hostNetwork is the flag by which a guest's sockets are the host's.
const hostNetwork = "--network=host"

// With it the sentry is in its caller's network namespace, and is in all else what
// it always is; so is the gofer in everything.
func TestPostureOfHostNetwork(t *testing.T) {
	want := expect(root, "", fileCaps)
	delete(want.sentry.namespaces, "net")
	testPosture(t, startSandbox(t, nil, hostNetwork), want)
}

// question is a call that a live process's filter is asked about.
type question struct {
	name string
	nr   int32
	args [6]uint64
	// host says that it is allowed with --network=host, always that it is without too.
	host, always bool
}

func questions() []question {
	const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	q := func(name string, nr int32, host bool, args ...uint64) question {
		q := question{name: name, nr: nr, host: host}
		copy(q.args[:], args)
		return q
	}
	always := func(name string, nr int32, args ...uint64) question {
		q := q(name, nr, true, args...)
		q.always = true
		return q
	}
	return []question{
		always("write", unix.SYS_WRITE, 2),
		// What the caller hands over may be a socket.
		always("shutdown", unix.SYS_SHUTDOWN),
		always("getsockname", unix.SYS_GETSOCKNAME),
		always("getsockopt, SO_TYPE", unix.SYS_GETSOCKOPT, 9, unix.SOL_SOCKET, unix.SO_TYPE),
		q("socket, TCP", unix.SYS_SOCKET, true, unix.AF_INET, unix.SOCK_STREAM|flags, unix.IPPROTO_TCP),
		q("socket, UDP of IPv6", unix.SYS_SOCKET, true, unix.AF_INET6, unix.SOCK_DGRAM|flags, unix.IPPROTO_UDP),
		q("socket, echoes", unix.SYS_SOCKET, true, unix.AF_INET, unix.SOCK_DGRAM|flags, unix.IPPROTO_ICMP),
		q("socket, one that blocks", unix.SYS_SOCKET, false, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP),
		q("socket, another protocol", unix.SYS_SOCKET, false, unix.AF_INET, unix.SOCK_STREAM|flags, unix.IPPROTO_SCTP),
		q("socket, raw", unix.SYS_SOCKET, false, unix.AF_INET, unix.SOCK_RAW|flags, unix.IPPROTO_TCP),
		q("socket, local", unix.SYS_SOCKET, false, unix.AF_UNIX, unix.SOCK_STREAM|flags, 0),
		q("socket, packets", unix.SYS_SOCKET, false, unix.AF_PACKET, unix.SOCK_RAW|flags, 0),
		q("socket, netlink", unix.SYS_SOCKET, false, unix.AF_NETLINK, unix.SOCK_DGRAM|flags, unix.NETLINK_ROUTE),
		q("socketpair", unix.SYS_SOCKETPAIR, false, unix.AF_UNIX, unix.SOCK_STREAM, 0),
		q("bind", unix.SYS_BIND, true),
		q("connect", unix.SYS_CONNECT, true),
		q("listen", unix.SYS_LISTEN, true),
		q("getpeername", unix.SYS_GETPEERNAME, true),
		q("epoll_create1", unix.SYS_EPOLL_CREATE1, true),
		q("setsockopt, SO_REUSEADDR", unix.SYS_SETSOCKOPT, true, 9, unix.SOL_SOCKET, unix.SO_REUSEADDR),
		q("getsockopt, TCP_INFO", unix.SYS_GETSOCKOPT, true, 9, unix.SOL_TCP, unix.TCP_INFO),
		q("setsockopt, SO_ATTACH_FILTER", unix.SYS_SETSOCKOPT, false, 9, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER),
		q("setsockopt, TCP_ULP", unix.SYS_SETSOCKOPT, false, 9, unix.SOL_TCP, unix.TCP_ULP),
		q("setsockopt, a table of iptables", unix.SYS_SETSOCKOPT, false, 9, unix.SOL_IP, 64),
		q("getsockopt, TCP_ZEROCOPY_RECEIVE", unix.SYS_GETSOCKOPT, false, 9, unix.SOL_TCP, unix.TCP_ZEROCOPY_RECEIVE),
		q("ioctl, SIOCATMARK", unix.SYS_IOCTL, true, 9, 0x8905),
		q("ioctl, SIOCSIFFLAGS", unix.SYS_IOCTL, false, 9, unix.SIOCSIFFLAGS),
		q("execve", unix.SYS_EXECVE, false),
		q("openat", unix.SYS_OPENAT, false),
	}
}

// The filters that live sentries have, as the host's kernel holds them: without the
// flag none of what it is for is let through, and with it no more than that.
func TestFilters(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		may   func(question) bool
	}{
		{"usual", nil, func(q question) bool { return q.always }},
		{"host", []string{hostNetwork}, func(q question) bool { return q.host }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := filterOf(t, startSandbox(t, nil, c.flags...).sentry)
			for _, q := range questions() {
				got := p.Run(&seccomp.Data{Nr: q.nr, Arch: unix.AUDIT_ARCH_X86_64, Args: q.args})
				want := uint32(unix.SECCOMP_RET_KILL_PROCESS)
				if c.may(q) {
					want = unix.SECCOMP_RET_ALLOW
				}
				if got != want {
					t.Errorf("%s: %#x, want %#x", q.name, got, want)
				}
			}
		})
	}
}

// filterOf reads the filter of a process from the host's kernel.
func filterOf(t *testing.T, pid int) *seccomp.Program {
	t.Helper()
	const ptraceSeccompGetFilter = 0x420c
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(pid); err != nil {
		t.Fatalf("PTRACE_SEIZE: %v", err)
	}
	defer func() { _ = unix.PtraceDetach(pid) }() // the thread is of no use to it any more
	if err := unix.PtraceInterrupt(pid); err != nil {
		t.Fatalf("PTRACE_INTERRUPT: %v", err)
	}
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		t.Fatalf("wait4: %v", err)
	}
	code := make([]bpf.Instruction, seccomp.MaxLen)
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceSeccompGetFilter, uintptr(pid), 0, uintptr(unsafe.Pointer(&code[0])), 0, 0)
	if errno != 0 {
		t.Fatalf("PTRACE_SECCOMP_GET_FILTER: %v", errno)
	}
	p, err := seccomp.Compile(code[:n])
	if err != nil {
		t.Fatal(err)
	}
	return p
}
