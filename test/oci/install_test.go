package oci

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hull/test/internal/sandbox"
)

// installed has `hull install` add the runtime to a manager's configuration, and
// sees to it that `hull uninstall` gives back what was there when the test ends.
func installed(t *testing.T, manager, file, text string) {
	t.Helper()
	write(t, file, text)
	hull := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(sandbox.Binary(t), append(args, "--"+manager, "--"+manager+"-config", file)...).CombinedOutput()
		if err != nil {
			t.Fatalf("hull %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	is := func(want []byte, when string) {
		t.Helper()
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%q\nand should be\n%q", when, err, got, want)
		}
	}
	diff := hull("install", "--dry-run")
	is([]byte(text), "after --dry-run")
	if !strings.HasPrefix(diff, "--- "+file+"\n+++ "+file+"\n@@ ") || !strings.Contains(diff, sandbox.Binary(t)) {
		t.Errorf("the diff is\n%s", diff)
	}
	hull("install")
	once, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hull("install")
	is(once, "installed twice")
	t.Cleanup(func() {
		hull("uninstall")
		is([]byte(text), "uninstalled")
		hull("uninstall")
		is([]byte(text), "uninstalled twice")
	})
}

// installsForPodman has the user install the runtime for podman where podman looks
// by itself.
func (p *podman) installsForPodman(t *testing.T) {
	bare := strings.Replace(p.command("hull"), "--runtime "+p.binary, "--runtime hull", 1)
	bare = strings.Replace(bare, "env CONTAINERS_CONF="+filepath.Join(p.dir, "containers.conf"), "env", 1)
	const script = `f=$HOME/.config/containers/containers.conf.d/50-hull.conf
		$0 install --podman --dry-run | tail -1; ls $f 2>/dev/null; $0 install --podman >/dev/null && ls $f >/dev/null && echo there
		$1 run --rm --network none $2 sh -c 'grep -c hull /proc/version; echo ran' 2>&1; $0 uninstall --podman >/dev/null; ls $f 2>/dev/null; echo gone`
	out, err := p.user.command("sh", "-c", script, p.binary, bare, image).CombinedOutput()
	if want := "+hull = [\"" + p.binary + "\"]\nthere\n1\nran\ngone\n"; err != nil || string(out) != want {
		t.Errorf("%v\n%s\nand should be\n%s", err, out, want)
	}
}
