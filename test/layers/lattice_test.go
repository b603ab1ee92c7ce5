// Package layers tests the shape of the code: which package may import which,
// how long files and functions may be, and what must not be in them.
//
// If a test here stands in your way, the code is most likely in the wrong
// package. If it is not, change the table below and ARCHITECTURE.md together.
package layers

import (
	"path"
	"strings"
	"testing"
)

// floor is what every package of the sentry's side may import.
const floor = "sentry/abi sentry/arch sentry/lock sentry/wait sentry/usermem sentry/rangemap sentry/clock"

// files is what a file system may import.
const files = floor + " sentry/auth sentry/limits sentry/current sentry/mem sentry/mm sentry/vfs fsimpl/pipe fsimpl/internal/*"

// sockets is what a family of sockets may import. Sockets of any family can have a
// filter: netstack/bpf runs it, which imports nothing.
const sockets = floor + " sentry/auth sentry/limits sentry/current sentry/mm sentry/vfs sentry/socket netstack/bpf"

// kernel is what stands below and in sentry/kernel.
const kernel = floor + " platform sentry/*"

// lattice says for each package what of hull it may import. The first line that
// fits holds. In both columns dir/* is everything below dir, and dir itself;
// one package may always import another one that is inside it and internal.
func lattice() []rule {
	return []rule{
		// The floor.
		{"sentry/abi", ""},
		{"sentry/arch", "sentry/abi"},
		{"sentry/lock", ""},
		{"sentry/wait", "sentry/lock"},
		{"sentry/usermem", "sentry/abi"},
		{"sentry/rangemap", ""},
		{"sentry/clock", "sentry/abi sentry/lock"},

		// What runs guest code: it knows nothing of what the guest is.
		{"platform", "sentry/arch sentry/abi"},
		{"platform/*", "platform sentry/arch sentry/abi sentry/lock"},

		// The sentry, bottom to top.
		{"sentry/mem", floor},
		{"sentry/auth", floor},
		{"sentry/limits", floor},
		{"sentry/current/*", floor + " sentry/auth sentry/limits sentry/current"},
		{"sentry/mm", floor + " platform platform/scripted sentry/mem"},
		{"sentry/loader", floor + " sentry/mem sentry/mm sentry/auth sentry/limits"},
		{"sentry/vfs", floor + " sentry/auth sentry/limits sentry/current sentry/mm"},
		// Of these, those that stand on the network stack.
		{"sentry/socket/xtables", sockets + " netstack/*"},
		{"sentry/socket/inet", sockets + " netstack/stack netstack/dgram sentry/socket/xtables"},
		{"sentry/socket/packet", sockets + " platform sentry/mem sentry/socket/inet netstack/stack"},
		{"sentry/socket/tun", sockets + " netstack/*"},
		{"sentry/socket/netview", sockets + " netstack/* sentry/socket/xtables"},
		{"sentry/socket/netlink/wire", ""},
		{"sentry/socket/netlink/*", sockets + " sentry/socket/netlink/* sentry/socket/unix netstack/*"},
		{"sentry/socket/*", sockets},
		{"sentry/kernel", kernel},
		{"sentry/futex", floor + " sentry/current sentry/mem sentry/mm"},
		{"sentry/seccomp", floor + " sentry/auth sentry/limits sentry/current netstack/bpf"}, // the same machine
		{"sentry/timer", floor + " sentry/current"},
		{"sentry/klog", floor},
		{"sentry/ebpf", ""},
		{"sentry/ipc", floor + " sentry/auth sentry/limits sentry/current"},
		{"sentry/ipc/*", floor + " sentry/auth sentry/limits sentry/current sentry/current/currenttest sentry/mem sentry/mm sentry/ipc"},

		// File systems. Only those that show what runs may see the kernel.
		{"fsimpl/internal/fstest", files + " sentry/current/currenttest"}, // the suite needs a caller
		{"fsimpl/internal/*", files},
		{"fsimpl/proc", files + " fsimpl/nsfs " + kernel},
		{"fsimpl/nsfs", files + " " + kernel},
		{"fsimpl/cgroup", files + " " + kernel},
		{"fsimpl/bpf", files + " sentry/ebpf"},
		{"fsimpl/devpts", files + " " + kernel},
		{"fsimpl/hosttty", files + " fsimpl/host " + kernel},
		{"fsimpl/pidfd", files + " " + kernel},
		{"fsimpl/signalfd", files + " " + kernel},
		{"fsimpl/seccompfd", files + " " + kernel},
		{"fsimpl/gofer", files + " gofer/client gofer/proto"},
		{"fsimpl/host", files + " sentry/socket"}, // the host's are sockets of the guest
		{"fsimpl/sys", files + " sentry/socket"},  // whose interfaces it shows
		{"fsimpl/mqueue", files + " sentry/ipc"},
		{"fsimpl/*", files},

		// The gofer: the server never sees the sentry.
		{"gofer/proto", ""},
		{"gofer/client", "gofer/proto"},
		{"gofer/server", "gofer/proto"},

		// System calls stand on the kernel; the kernel is handed their table.
		{"syscalls", kernel + " fsimpl/bpf fsimpl/cgroup fsimpl/pipe fsimpl/eventfd fsimpl/timerfd fsimpl/epoll fsimpl/pidfd fsimpl/proc fsimpl/signalfd fsimpl/seccompfd fsimpl/nsfs fsimpl/inotify fsimpl/mqueue fsimpl/tmpfs fsimpl/devpts fsimpl/hosttty"},
		{"syscalls/*", kernel + " syscalls"},

		// The host's side, and the one package that knows every implementation.
		{"runsc-like/jail", ""},
		{"runsc-like/profile", "sentry/seccomp"}, // the sentry's part is for its tests
		{"runsc-like/leanjson", ""},
		{"runsc-like/control", "runsc-like/jail runsc-like/profile runsc-like/leanjson"},
		{"runsc-like/cgroup", ""},
		{"runsc-like/hooks", ""},
		{"runsc-like/install", ""},
		{"runsc-like/netproxy", "netstack/*"},
		{"runsc-like/dnsrelay", ""},
		{"runsc-like/agent", ""},
		{"runsc-like/netconf", "runsc-like/control netstack/link/afpacket"},
		{"runsc-like/container", "runsc-like/leanjson runsc-like/control runsc-like/jail runsc-like/cgroup runsc-like/hooks runsc-like/profile runsc-like/netconf runsc-like/netproxy runsc-like/dnsrelay runsc-like/agent netstack/link/pipe"},
		{"runsc-like/boot", "runsc-like/dnsrelay runsc-like/agent runsc-like/control runsc-like/jail platform/* sentry/* fsimpl/* gofer/client syscalls/* runsc-like/profile netstack/*"},
		{"runsc-like/cmd", "runsc-like/dnsrelay runsc-like/agent runsc-like/netproxy netstack/buffer netstack/link/pipe runsc-like/control runsc-like/jail runsc-like/container runsc-like/boot runsc-like/install gofer/server platform/*"},
		{"runsc-like", "runsc-like/cmd"},

		// A network stack that knows nothing of the sentry.
		{"netstack/*", "netstack/*"},

		// Tests see the binary from outside; these two read the code.
		{"test/readme", "syscalls sentry/kernel runsc-like/container"},
		{"test/net", "netstack/*"},                      // which it is a user of
		{"test/posture", "sentry/seccomp netstack/bpf"}, // by which it reads the host's filters
		{"test/*", "test/internal/*"},
	}
}

// rule is a line of the lattice.
type rule struct{ pkg, may string }

func fits(pattern, pkg string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	return pattern == pkg
}

func find(pkg string) (rule, bool) {
	for _, r := range lattice() {
		if fits(r.pkg, pkg) {
			return r, true
		}
	}
	return rule{}, false
}

func (r rule) allows(pkg string) bool {
	for _, p := range strings.Fields(r.may) {
		if fits(p, pkg) {
			return true
		}
	}
	return false
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := find(p.dir)
		if !ok {
			t.Errorf("%s is not in the lattice", p.dir)
			continue
		}
		for imp, file := range p.imports {
			if path.Dir(imp) == p.dir+"/internal" || r.allows(imp) {
				continue
			}
			t.Errorf("%s must not import %s (in %s)", p.dir, imp, file)
		}
	}
}

// The modules of others, and who may import them. Each has its reason in
// BUILD.md.
func TestDependencies(t *testing.T) {
	may := []rule{
		{"golang.org/x/sys/unix", "*"},
		{"golang.org/x/sys/cpu", "sentry/arch platform/* sentry/loader sentry/clock"},
		{"github.com/spf13/cobra", "runsc-like/cmd"},
		{"github.com/opencontainers/runtime-spec/specs-go", "runsc-like/* test/*"},
		{"github.com/opencontainers/runtime-spec/specs-go/features", "runsc-like/container"},
		{"golang.org/x/net/dns/dnsmessage", "runsc-like/netproxy"},
		{"github.com/vishvananda/netlink", "runsc-like/netconf"},
		{"github.com/vishvananda/netlink/nl", "runsc-like/netconf"},
		{"github.com/seccomp/libseccomp-golang", "runsc-like/jail runsc-like/profile"},
		{"github.com/opencontainers/cgroups", "runsc-like/cgroup"},
		{"github.com/opencontainers/cgroups/devices", "runsc-like/cgroup"},
		{"github.com/opencontainers/cgroups/devices/config", "runsc-like/cgroup"},
		{"github.com/opencontainers/cgroups/manager", "runsc-like/cgroup"},
		{"github.com/opencontainers/cgroups/fs2", "runsc-like/cgroup"},
		{"github.com/coreos/go-systemd/v22/dbus", "runsc-like/cgroup"},
		{"github.com/godbus/dbus/v5", "runsc-like/cgroup"},
		{"k8s.io/cri-api/pkg/apis/runtime/v1", "test/oci"},
		{"google.golang.org/grpc", "test/oci"},
		{"google.golang.org/grpc/credentials/insecure", "test/oci"},
		{"github.com/pelletier/go-toml/v2", "runsc-like/install"},
		{"github.com/pelletier/go-toml/v2/unstable", "runsc-like/install"},
	}
	for _, p := range packages(t) {
	next:
		for imp, file := range p.others {
			for _, m := range may {
				if m.pkg == imp && (m.may == "*" || m.allows(p.dir)) {
					continue next
				}
			}
			t.Errorf("%s must not import %s (in %s)", p.dir, imp, file)
		}
	}
}

func TestFind(t *testing.T) {
	for pkg, want := range map[string]string{
		"sentry/current/currenttest": "sentry/current/*", "fsimpl/proc": "fsimpl/proc", "fsimpl/tmpfs": "fsimpl/*",
		"platform": "platform", "platform/ptrace": "platform/*",
	} {
		if r, _ := find(pkg); r.pkg != want {
			t.Errorf("find(%s) = %s, want %s", pkg, r.pkg, want)
		}
	}
	if r, _ := find("sentry/vfs"); r.allows("fsimpl/tmpfs") || r.allows("sentry/kernel") || !r.allows("sentry/mm") {
		t.Error("the lattice would let vfs import what is above it")
	}
}
