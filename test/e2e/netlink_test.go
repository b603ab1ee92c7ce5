package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNetlink runs the scripts in testdata/netlink in a new network namespace of
// the host and in hull: iproute2's, iptables' and nftables' programs say the same. What
// an interface or a monitor comes to say in time is part of that, and a busy machine is
// late, on either side: a script whose output differs runs again, twice at most.
func TestNetlink(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root")
	}
	data, err := filepath.Abs("testdata/netlink")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(data + "/*.sh")
	if err != nil || len(scripts) < 5 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	bin := hull(t)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".sh"), func(t *testing.T) {
			const start = `exec 2>&1; mount -t tmpfs none /run; . "$0"`
			const attempts = 3
			for n := 1; ; n++ {
				native := dir(t)
				want := run(t, "", "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
					"/bin/bash", "-c", "export data="+data+"; cd "+native+"; "+start, script)
				inside := dir(t)
				got := run(t, "", bin, "do", "--network", "none", "--cwd", inside, "--env", "data="+data, "--", "/bin/bash", "-c", start, script)
				if got == want {
					return
				}
				tell := t.Logf
				if n == attempts {
					tell = t.Fatalf
				}
				tell("attempt %d: status %d, natively %d; what differs:\n%s", n, got.status, want.status, differences(want.out, got.out))
			}
		})
	}
}

// differences shows the lines that only one of two outputs has, by a program that
// can: diff(1).
func differences(want, got string) string {
	f, err := os.MkdirTemp("", "diff")
	if err != nil {
		return got
	}
	defer os.RemoveAll(f)
	for name, s := range map[string]string{"natively": want, "hull": got} {
		if err := os.WriteFile(filepath.Join(f, name), []byte(s), 0o600); err != nil {
			return got
		}
	}
	return diff(f)
}

func diff(in string) string {
	c := exec.Command("diff", "-U1", "natively", "hull")
	c.Dir = in
	out, _ := c.CombinedOutput() // its status only says that they differ
	return string(out)
}
