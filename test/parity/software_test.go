package parity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hull/test/internal/sandbox"
)

// TestSoftware runs scripts of testdata/software, which use programs that a machine
// has, in new network and mount namespaces on the host and in the sandbox.
func TestSoftware(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root")
	}
	scripts, err := filepath.Glob("testdata/software/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts: ", err)
	}
	box, host := sandbox.Find(t), sandbox.Host(t)
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".sh"), func(t *testing.T) {
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c := sandbox.Cmd{Dir: t.TempDir(), Args: []string{"unshare", "-n", "-m", "sh", "-c", string(script)}, Limit: 60 * time.Second}
			got, want := box.Run(t, c), host.Run(t, c)
			if got.Stdout != want.Stdout || got.Status != want.Status || got.TimedOut || want.Status != 0 {
				t.Errorf("host: status %d; sandbox: status %d\n%s\nhost's stderr:\n%s\nsandbox's stderr:\n%s",
					want.Status, got.Status, lineDiff(want.Stdout, got.Stdout), want.Stderr, got.Stderr)
			}
		})
	}
}
