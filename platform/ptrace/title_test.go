package ptrace

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"hull/platform"
)

// shown is what ps(1) of the host shows of an address space.
func shown(t *testing.T, as platform.AddressSpace) (comm, cmdline string) {
	t.Helper()
	pid := as.(platform.Titler).Process()
	c, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		t.Fatal(err)
	}
	l, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(c)), string(l)
}

func TestTitle(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insSyscall, insSyscall, insSyscall)...)
	as := g.as.(*addressSpace)
	as.Title("sleep", []byte("/bin/sleep\x00100\x00"), false)
	if comm, _ := shown(t, as); comm != "hull-stub" {
		t.Errorf("before it runs: %q", comm)
	}
	g.run()
	if comm, line := shown(t, as); comm != "sleep" || line != "/bin/sleep\x00100\x00" {
		t.Errorf("%q, %q", comm, line)
	}
	child, err := as.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer child.Release()
	if comm, line := shown(t, child); comm != "sleep" || line != "/bin/sleep\x00100\x00" {
		t.Errorf("of a fork: %q, %q", comm, line)
	}
	child.(platform.Titler).Title("a-name-of-more-than-15-bytes", bytes.Repeat([]byte("x"), 2*pageSize), true)
	if comm, line := shown(t, child); comm != "a-name-of-more-" || line != strings.Repeat("x", maxTitle-1)+"\x00" {
		t.Errorf("%q, %d bytes", comm, len(line))
	}
	if comm, line := shown(t, as); comm != "sleep" || line != "/bin/sleep\x00100\x00" {
		t.Errorf("after a fork: %q, %q", comm, line)
	}
	as.Title("none", nil, true)
	if comm, line := shown(t, as); comm != "none" || line != "" {
		t.Errorf("%q, %q", comm, line)
	}
	g.run() // it still can
}
