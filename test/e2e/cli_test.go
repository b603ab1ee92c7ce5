package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStatus checks how the command's end is told.
func TestStatus(t *testing.T) {
	bin := hull(t)
	dir := t.TempDir()
	plain, broken := filepath.Join(dir, "plain"), filepath.Join(dir, "broken")
	for name, mode := range map[string]os.FileMode{plain: 0o644, broken: 0o755} {
		if err := os.WriteFile(name, []byte("\x7fELF and nothing else"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"do", "--", "true"}, 0, ""},
		{[]string{"do", "--", "sh", "-c", "exit 7"}, 7, ""},
		{[]string{"do", "--", "sh", "-c", "kill -TERM $$"}, 143, ""},
		{[]string{"do", "--", "sh", "-c", "kill -KILL $$"}, 137, ""},
		{[]string{"do", "--", "no-such-command"}, 127, "no-such-command"},
		{[]string{"do", "--", "/no/such/file"}, 127, "/no/such/file"},
		{[]string{"do", "--", plain}, 126, "plain"},
		{[]string{"do", "--", broken}, 126, "ELF"},
		{[]string{"do", "--root", "/no/such/root", "--", "true"}, 125, "--root: "},
		{[]string{"do", "--volume", "nonsense", "--", "true"}, 125, "nonsense"},
		{[]string{"do", "--platform", "magic", "--", "true"}, 125, "magic"},
		{[]string{"do"}, 125, ""},
		{[]string{"run", "--bundle", dir, "x"}, 1, "config.json"},
	} {
		got := run(t, "", bin, c.args...)
		if got.status != c.status || !strings.Contains(got.out, c.says) {
			t.Errorf("%q: status %d, %q; want %d and %q", c.args, got.status, got.out, c.status, c.says)
		}
	}
}

// TestSharedOffset: output that is redirected shares its offset with the caller.
func TestSharedOffset(t *testing.T) {
	f := filepath.Join(t.TempDir(), "f")
	got := run(t, "", "sh", "-c", `("$0" do -- echo a; echo b; "$0" do -- echo c) > "$1"; cat "$1"`, hull(t), f)
	if got.out != "a\nb\nc\n" {
		t.Errorf("%+v", got)
	}
}

// TestIgnoredSignals: what the caller ignores the command ignores, as under
// nohup(1).
func TestIgnoredSignals(t *testing.T) {
	got := run(t, "", "sh", "-c", `trap "" HUP; "$0" do -- sh -c 'kill -HUP $$; echo alive'`, hull(t))
	if got.out != "alive\n" || got.status != 0 {
		t.Errorf("%+v", got)
	}
}

func TestStreams(t *testing.T) {
	bin := hull(t)
	if got := run(t, "line one\nline two\n", bin, "do", "--", "cat", "-n"); got.out != "     1\tline one\n     2\tline two\n" {
		t.Errorf("%+v", got)
	}
	big := strings.Repeat("0123456789abcdef", 1<<16)
	if got := run(t, big, bin, "do", "--", "sh", "-c", "cat | cat"); got.out != big {
		t.Errorf("%d bytes came back of %d", len(got.out), len(big))
	}
	if got := run(t, "", bin, "do", "--", "bash", "-c", `diff <(seq 3) <(seq 4); echo "$?"; echo again > /dev/stdout`); got.out != "3a4\n> 4\n1\nagain\n" {
		t.Errorf("%+v", got)
	}
	if got := run(t, "", "sh", "-c", `"$0" do -- yes | head -1`, bin); got.out != "y\n" {
		t.Errorf("%+v", got)
	}
}

func TestFlags(t *testing.T) {
	bin, dir := hull(t), t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--env", "X=y", "--", "sh", "-c", "echo $X"}, "y\n"},
		{[]string{"--cwd", "/usr", "--", "pwd"}, "/usr\n"},
		{[]string{"--hostname", "ship", "--", "uname", "-n"}, "ship\n"},
		{[]string{"--user", "1000:1001", "--", "sh", "-c", "id -u; id -g"}, "1000\n1001\n"},
		{[]string{"--volume", dir + ":/mnt/v:ro", "--", "sh", "-c", "cat /mnt/v/f; touch /mnt/v/g 2>&1 | grep -c Read-only"}, "from the host\n1\n"},
		{[]string{"--volume", dir + ":/mnt/v", "--", "sh", "-c", "echo back > /mnt/v/g; cat /mnt/v/g"}, "back\n"},
		{[]string{"--", "sh", "-c", "echo lost > " + dir + "/lost; cat " + dir + "/lost"}, "lost\n"},
		{[]string{"--rw", dir, "--", "sh", "-c", "echo kept > " + dir + "/kept; mkdir " + dir + "/d; mv " + dir + "/f " + dir + "/d/f2; cat " + dir + "/d/f2"}, "from the host\n"},
	} {
		if got := run(t, "", bin, append([]string{"do"}, c.args...)...); got.out != c.want || got.status != 0 {
			t.Errorf("%q: %+v, want %q", c.args, got, c.want)
		}
	}
	for name, want := range map[string]string{"g": "back\n", "kept": "kept\n", "d/f2": "from the host\n", "lost": ""} {
		b, _ := os.ReadFile(filepath.Join(dir, name)) // missing is empty
		if string(b) != want {
			t.Errorf("on the host %s holds %q, want %q", name, b, want)
		}
	}
}

// TestHostFiles gives the guest files of the host's to change. What hull itself gives
// a guest, the name servers of its network, changes none of them.
func TestHostFiles(t *testing.T) {
	bin, root := hull(t), t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"etc/resolv.conf": "nameserver 192.0.2.1\n", "etc/hosts": "127.0.0.1 localhost\n"}
	for _, dir := range []string{"bin", "etc"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	etc := filepath.Join(root, "etc")
	shown := result{out: "1\n2\n1\n"}
	const look = "B=/bin/busybox; $B grep -c 10.0.2.3 /etc/resolv.conf; $B grep -c host.hull.internal /etc/hosts; $B grep -c localhost /etc/hosts; "
	for _, c := range []struct {
		args []string
		made string // on the host
		want result
	}{
		{[]string{"--root", root, "--", "/bin/busybox", "sh", "-c", look + "echo x > /etc/lost"}, "", shown},
		{[]string{"--root", root, "--rw", root, "--", "/bin/busybox", "sh", "-c", look + "echo x > /etc/a; test -c /dev/null"}, "etc/a", shown},
		{[]string{"--root", root, "--volume", etc + ":/etc", "--", "/bin/busybox", "sh", "-c", look + "echo x > /etc/b"}, "etc/b", shown},
		{[]string{"--root", root, "--volume", etc + "/hosts:/etc/hosts", "--volume", etc + "/resolv.conf:/etc/resolv.conf", "--", "/bin/busybox", "cat", "/etc/resolv.conf", "/etc/hosts"},
			"", result{out: files["etc/resolv.conf"] + files["etc/hosts"]}},
		{[]string{"--volume", etc + ":/", "--", "true"}, "", result{fmt.Sprintf("hull: --volume: %q: a root is given by --root\n", etc+":/"), 125}},
	} {
		if got := run(t, "", bin, append([]string{"do"}, c.args...)...); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.args, got, c.want)
		}
		if c.made != "" {
			if b, err := os.ReadFile(filepath.Join(root, c.made)); string(b) != "x\n" {
				t.Errorf("%q: on the host %s is %q, %v", c.args, c.made, b, err)
			}
		}
	}
	for name, want := range files {
		if b, err := os.ReadFile(filepath.Join(root, name)); string(b) != want {
			t.Errorf("on the host %s became %q, %v", name, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(etc, "lost")); err == nil {
		t.Error("the host has what was to be lost")
	}
}

// TestBundle runs an OCI bundle.
func TestBundle(t *testing.T) {
	root, bin, dir := debian(t), hull(t), t.TempDir()
	share := t.TempDir()
	if err := os.WriteFile(filepath.Join(share, "f"), []byte("bound\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	caps := []string{"CAP_CHOWN", "CAP_KILL"}
	spec := map[string]any{
		"ociVersion": "1.0.2", "hostname": "boxed",
		"process": map[string]any{
			"user": map[string]any{"uid": 0, "gid": 0, "additionalGids": []int{5, 7}}, "cwd": "/etc", "env": []string{"PATH=/usr/bin:/bin", "A=b"},
			"args": []string{"/bin/bash", "-c", `hostname; pwd; echo $A; id -G; ulimit -n; grep CapEff /proc/self/status; cat /data/f; echo x 2>/dev/null > /data/g || echo ro; ` +
				`echo x 2>/dev/null > /new || echo root ro; cat /proc/interrupts | wc -c; ls /sys/firmware | wc -l; echo x 2>/dev/null > /proc/sys/kernel/hostname || echo sys ro; tty -s; df -t tmpfs /run | tail -1 | awk '{print $1}'; exit 4`},
			"capabilities": map[string]any{"bounding": caps, "effective": caps, "permitted": caps},
			"rlimits":      []map[string]any{{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}},
		},
		"root": map[string]any{"path": root, "readonly": true},
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": []string{"ro"}},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/dev/pts", "type": "devpts", "source": "devpts"},
			{"destination": "/run", "type": "tmpfs", "source": "runfs", "options": []string{"size=1m"}},
			{"destination": "/data", "type": "bind", "source": share, "options": []string{"rbind", "ro"}},
		},
		"linux": map[string]any{"maskedPaths": []string{"/proc/interrupts", "/sys/firmware"}, "readonlyPaths": []string{"/proc/sys"}},
	}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", bin, "run", "--bundle", dir, "e2e-bundle")
	const want = "boxed\n/etc\nb\n0 5 7\n77\nCapEff:\t0000000000000021\nbound\nro\nroot ro\n0\n0\nsys ro\nrunfs\n"
	if got.out != want || got.status != 4 {
		t.Errorf("status %d, output:\n%s\nwant 4:\n%s", got.status, got.out, want)
	}
}

// TestGo runs a Go program: goroutines, garbage, timers, signals, files.
func TestGo(t *testing.T) {
	bin, dir := hull(t), t.TempDir()
	prog := filepath.Join(dir, "prog")
	c := exec.Command("go", "build", "-o", prog, "./testdata/goprog")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	want := run(t, "", prog)
	if got := run(t, "", bin, "do", "--", prog); got != want {
		t.Errorf("%+v, natively %+v", got, want)
	}
}
