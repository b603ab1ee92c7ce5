package parity

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/test/internal/sandbox"
)

// A walk of every socket option over every kind of socket (testdata/options/walk.c):
// its lines are compared one by one. testdata/options/differ.txt has those that
// differ, and why. It may only shrink: a line of it that is not needed is an error.

// optionHeaders are the headers whose options the walk must have, and which of
// their names begin an option's.
var optionHeaders = []struct {
	file, names string
}{
	{"asm-generic/socket.h", `SO_\w+|SCM_TIMESTAMPING_\w+`},
	{"linux/in.h", `IP_\w+|MCAST_\w+`},
	{"linux/in6.h", `IPV6_\w+`},
	{"linux/tcp.h", `TCP_\w+`},
	{"linux/udp.h", `UDP_\w+`},
	{"linux/if_packet.h", `PACKET_\w+`},
	{"linux/netlink.h", `NETLINK_\w+`},
}

// notOptions are names of the headers that look like one and are values of options,
// or other names of options that the walk has.
var notOptions = regexp.MustCompile(`^(` + strings.Join([]string{
	`SO_(GET_FILTER|DETACH_BPF|TIMESTAMP|TIMESTAMPNS|TIMESTAMPING|RCVTIMEO|SNDTIMEO)`,
	`IP_(PMTUDISC_\w+|DEFAULT_\w+|RECVRETOPTS|RECVORIGDSTADDR)|MCAST_(EXCLUDE|INCLUDE)`,
	`IPV6_(FL_\w+|FLOWINFO_(FLOWLABEL|PRIORITY)|PRIORITY_\w+|TLV_\w+|PMTUDISC_\w+|PREFER_\w+|RECVORIGDSTADDR)`,
	`TCP_(MSS_\w+|CM_INQ|REPAIR_(ON|OFF|OFF_NO_WP)|MD5SIG_(MAXKEYLEN|FLAG_\w+)|RECEIVE_ZEROCOPY_\w+|ENCAP_\w+|AO_(KEYF|MAXKEYLEN)\w*)`,
	`UDP_ENCAP_\w+`,
	`PACKET_(HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING|LOOPBACK|USER|KERNEL|FASTROUTE|FANOUT_(HASH|LB|CPU|ROLLOVER|RND|QM|CBPF|EBPF|FLAG_\w+)|MR_\w+)`,
	// Protocols, which the header calls the same.
	`NETLINK_(ROUTE|UNUSED|USERSOCK|FIREWALL|SOCK_DIAG|NFLOG|XFRM|SELINUX|ISCSI|AUDIT|FIB_LOOKUP|CONNECTOR|NETFILTER|IP6_FW|DNRTMSG|KOBJECT_UEVENT|GENERIC|SCSITRANSPORT|ECRYPTFS|RDMA|CRYPTO|SMC|INET_DIAG)`,
}, "|") + `)$`)

// TestWalkIsWhole sees to it that no option of the headers is absent from the walk.
func TestWalkIsWhole(t *testing.T) {
	walk, err := os.ReadFile("testdata/options/walk.c")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(string(walk))
	for _, h := range optionHeaders {
		b, err := os.ReadFile(filepath.Join("/usr/include", h.file))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, m := range regexp.MustCompile(`(?m)^#\s*define\s+(`+h.names+`)[ \t]+[^\s/]`).FindAllStringSubmatch(string(b), -1) {
			if notOptions.MatchString(m[1]) {
				continue
			}
			found++
			if !strings.Contains(text, "("+strings.ToLower(m[1])+")") {
				t.Errorf("%s has %s, which the walk does not", h.file, m[1])
			}
		}
		if found < 6 {
			t.Errorf("%s: only %d options were found", h.file, found)
		}
	}
}

// walked is the kernel whose answers the list of differences is about. What came
// later has a number of its own, and older kernels do not know all.
const walked = "6.18"

func TestOptions(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root")
	}
	box, host := sandbox.Find(t), sandbox.Host(t)
	program := sandbox.Compile(t, "testdata/options/walk.c", "-static")
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{program}
	for _, p := range []string{"core/wmem_max", "core/rmem_max", "core/wmem_default", "core/rmem_default"} {
		path := "/proc/sys/net/" + p
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, path+"="+strings.TrimSpace(string(b)))
	}
	c := sandbox.Cmd{Dir: dir, Args: args, Limit: time.Minute}
	want, got := host.Run(t, c), box.Run(t, c)
	if want.Status != 0 || got.Status != 0 || got.TimedOut {
		t.Fatalf("host: status %d; sandbox: %v", want.Status, got)
	}
	ours := map[string]string{}
	for line := range strings.Lines(got.Stdout) {
		key, value, _ := strings.Cut(line, ": ")
		ours[key] = value
	}
	known := readDiffer(t)
	lines, fail := 0, t.Errorf
	if older() {
		fail = t.Logf // what a difference means is not known there
	}
	for line := range strings.Lines(want.Stdout) {
		key, value, _ := strings.Cut(line, ": ")
		lines++
		if ours[key] == value || known.has(key) {
			continue
		}
		fail("%s: %s", key, tokenDiff(value, ours[key]))
	}
	if lines != len(ours) || lines < 4000 {
		t.Errorf("%d lines of the host, %d of the sandbox", lines, len(ours))
	}
	for i := range known {
		if known[i].used = known[i].used || known[i].maybe; !known[i].used && box.Hull() {
			fail("differ.txt: %s %v differs no more", known[i].option, known[i].sockets)
		}
	}
}

// older reports whether the host's kernel is older than the one that was walked.
func older() bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	var major, minor, wantMajor, wantMinor int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	fmt.Sscanf(walked, "%d.%d", &wantMajor, &wantMinor)
	return major < wantMajor || major == wantMajor && minor < wantMinor
}

// tokenDiff prints the answers that differ.
func tokenDiff(want, got string) string {
	a, b := strings.Fields(want), strings.Fields(got)
	var out []string
	for i := range a {
		switch {
		case i >= len(b):
			out = append(out, a[i]+" and nothing")
		case a[i] != b[i]:
			out = append(out, fmt.Sprintf("host %s sandbox %s", a[i], b[i]))
		}
		if len(out) == 8 {
			out = append(out, "…")
			break
		}
	}
	return strings.Join(out, "; ")
}

// difference is an option over some kinds of socket.
type difference struct {
	option  string
	sockets []string // patterns of path.Match
	maybe   bool     // it depends on how the host's kernel was built
	used    bool
}

type differences []difference

// has reports whether a line is known to differ.
func (ds differences) has(key string) bool {
	socket, option, _ := strings.Cut(key, " ")
	for i := range ds {
		if ds[i].option != option {
			continue
		}
		if slices.ContainsFunc(ds[i].sockets, func(p string) bool {
			ok, err := filepath.Match(p, socket)
			return ok && err == nil
		}) {
			ds[i].used = true
			return true
		}
	}
	return false
}

// readDiffer reads lines of an option, kinds of socket with commas between them,
// and the reason; a ? before says that it depends on the host.
func readDiffer(t *testing.T) differences {
	b, err := os.ReadFile("testdata/options/differ.txt")
	if err != nil {
		t.Fatal(err)
	}
	var ds differences
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 4 {
			t.Fatalf("differ.txt: %q has no reason", line)
		}
		name, maybe := strings.CutPrefix(f[0], "?")
		ds = append(ds, difference{option: name, sockets: strings.Split(f[1], ","), maybe: maybe})
	}
	return ds
}
