package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerInside runs docker within the sandbox: its daemon with networks and rules of
// its own, and containers that runc makes of the guest kernel's namespaces and cgroups.
func TestDockerInside(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root")
	}
	script, err := filepath.Abs("testdata/docker.sh")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, "", hull(t), "do", "--network", "none", "--", "/bin/bash", script)
	for _, want := range []string{
		"bridge ready", "masquerades", "in a container", "user 0", "cgroup 0::/", "no devices of others", "address 10.77.0.",
		"page from its name", "page from its port", "paused", "exec 0", "removed",
	} {
		if !strings.Contains(r.out, "== "+want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() || r.status != 0 {
		t.Errorf("status %d:\n%s", r.status, r.out)
	}
}
