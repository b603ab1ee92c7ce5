package lifecycle

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// root makes a root file system of busybox, once.
func root(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(sandbox.Cache(t, "busybox"), "root")
	if _, err := os.Stat(filepath.Join(dir, "bin", "sh")); err == nil {
		return dir
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "new")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp"} {
		if err := os.Mkdir(filepath.Join(tmp, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := `set -e; cp /bin/busybox "$0/bin/"; for a in $(/bin/busybox --list); do ln -s busybox "$0/bin/$a" 2>/dev/null || :; done
echo root:x:0:0:root:/root:/bin/sh >"$0/etc/passwd"; echo root:x:0: >"$0/etc/group"; chmod 755 "$0"; chmod 1777 "$0/tmp"`
	if out, err := exec.Command("sh", "-c", script, tmp).CombinedOutput(); err != nil {
		t.Fatalf("busybox: %v\n%s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil && !os.IsExist(err) {
		if _, there := os.Stat(dir); there != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// spec is a small configuration, as `runc spec` has it, that runs a shell script.
func spec(t testing.TB, script string) *specs.Spec {
	t.Helper()
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: root(t), Readonly: true},
		Process: &specs.Process{
			Args: []string{"sh", "-c", script}, Cwd: "/",
			Env:             []string{"PATH=/bin", "TERM=xterm"},
			Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1024}},
			NoNewPrivileges: true,
		},
		Hostname: "story",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"},
			},
			MaskedPaths:   []string{"/proc/kcore"},
			ReadonlyPaths: []string{"/proc/sys"},
		},
	}
}

// bundle writes a configuration to a new directory.
func bundle(t testing.TB, s *specs.Spec) string {
	t.Helper()
	dir := t.TempDir()
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
