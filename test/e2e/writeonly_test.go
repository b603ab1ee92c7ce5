package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestWriteOnly: a file that may be written and not read is made and written as without
// hull.
func TestWriteOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can become somebody else")
	}
	const nobody = 65534
	// The binary may be where only root reaches it.
	dir, err := os.MkdirTemp("", "write-only")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bin, work := filepath.Join(dir, "hull"), filepath.Join(dir, "work")
	b, err := os.ReadFile(hull(t))
	if err == nil {
		err = os.WriteFile(bin, b, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	const script = `umask 0555; echo a >w; echo more >>w; stat -c '%a %s' w; cat w; : >w; stat -c %s w; chmod 200 w; dd if=/dev/zero of=w bs=5 count=2 conv=fsync,notrunc 2>&1 | head -1
		truncate -s 7 w; stat -c '%A %s' w; ls -l w | cut -c1-10; chmod 600 w; wc -c <w; echo b 1<>w; stat -c %s w`
	as := func(args ...string) string {
		if err := os.Mkdir(work, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(work)
		if out, err := exec.Command("chown", strconv.Itoa(nobody), work).CombinedOutput(); err != nil {
			t.Fatalf("chown: %v: %s", err, out)
		}
		c := exec.Command(args[0], append(args[1:], "sh", "-c", script)...)
		c.Dir, c.Env = work, append(os.Environ(), "LC_ALL=C")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
		return string(out)
	}
	want := as("env")
	if got := as(bin, "do", "--rw", work, "--"); got != want {
		t.Errorf("with hull:\n%s\nwithout:\n%s", got, want)
	}
}
