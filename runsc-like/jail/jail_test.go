package jail

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew")

// The lists are the attack surface: whoever lets one grow says so in this file,
// and a reviewer sees it.
func TestGolden(t *testing.T) {
	var b bytes.Buffer
	for _, p := range Platforms() {
		if err := Format(&b, "sentry, platform "+p, SentryRules(p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Format(&b, "sentry, with --network=host besides", HostNetworkRules()); err != nil {
		t.Fatal(err)
	}
	if err := Format(&b, "gofer", GoferRules()); err != nil {
		t.Fatal(err)
	}
	if err := Format(&b, "network proxy", ProxyRules()); err != nil {
		t.Fatal(err)
	}
	if err := Format(&b, "helper of a seccomp agent", AgentRules(8)); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/seccomp.golden"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(b.Bytes(), want) {
		return
	}
	old := map[string]bool{}
	for line := range strings.Lines(string(want)) {
		old[line] = true
	}
	for line := range strings.Lines(b.String()) {
		if !old[line] {
			t.Errorf("new: %s", line)
		}
	}
	t.Error("the seccomp lists differ from " + golden + "; if that is meant: go test ./runsc-like/jail -update")
}

func TestBounds(t *testing.T) {
	if n := Calls(SentryRules("ptrace")); n > 54 {
		t.Errorf("the sentry may make %d host calls, more than 54", n)
	}
	if n := Calls(GoferRules()); n > 48 {
		t.Errorf("the gofer may make %d host calls, more than 48", n)
	}
	if n := Calls(ProxyRules()); n > 42 {
		t.Errorf("the network proxy may make %d host calls, more than 42", n)
	}
}

func TestRules(t *testing.T) {
	never := []string{
		"open", "openat", "execve", "execveat", "socket", "socketpair", "connect", "bind", "fork", "vfork",
		"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "bpf", "keyctl", "process_vm_readv",
		"process_vm_writev", "perf_event_open", "userfaultfd", "io_uring_setup", "init_module", "kexec_load",
		"open_by_handle_at", "memfd_create", "seccomp", "prctl",
	}
	for name, rules := range map[string][]Rule{"sentry": SentryRules("ptrace"), "gofer": GoferRules(), "proxy": ProxyRules()} {
		f, err := compile(rules, Kill)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.Release()
		allowed := map[string]bool{}
		for _, r := range rules {
			if r.Errno == 0 {
				allowed[r.Call] = true
			}
			if r.Reason == "" {
				t.Errorf("%s: %s has no reason", name, r)
			}
		}
		for _, c := range never {
			if allowed[c] && (name != "proxy" || c != "socket" && c != "connect") {
				t.Errorf("%s may %s", name, c)
			}
		}
		if allowed["clone3"] || (name != "sentry" && allowed["ptrace"]) || (name != "gofer" && allowed["openat2"]) {
			t.Errorf("%s: a call that only the other one may make", name)
		}
	}
	if SentryRules("none") != nil {
		t.Error("rules for a platform that does not exist")
	}
}

func TestKernelMounts(t *testing.T) {
	info := `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:5 / /proc rw - proc proc rw
31 30 0:40 / /proc/0 rw - ext4 /dev/vda rw
32 31 0:5 / /proc/0/nosuch\040dir rw - proc proc rw
junk
`
	got, err := kernelMounts(strings.NewReader(info))
	if err != nil || len(got) != 1 || got[0] != "/proc/0/nosuch dir" {
		t.Errorf("kernelMounts = %q, %v; want the one that is below a root", got, err)
	}
	if s := unescape(`a\040b\134c`); s != `a b\c` {
		t.Errorf("unescape = %q", s)
	}
	if under("/ab", []string{"/a"}) || !under("/a/b", []string{"/a"}) || !under("/a", []string{"/a"}) {
		t.Error("under is wrong")
	}
}
