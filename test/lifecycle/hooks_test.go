package lifecycle

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// TestPoststartFails: a hook after the start that fails is the container's end, as
// version 1.3 of the specification has it. runc 1.1.5, which the stories compare with,
// runs such hooks before the start.
func TestPoststartFails(t *testing.T) {
	hull := sandbox.Binary(t)
	sp := spec(t, forever)
	one := 1
	sp.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/true", Timeout: &one}, {Path: "/bin/sh", Args: []string{"sh", "-c", "echo no >&2; exit 3"}}}}
	const script = prelude + `$R create --bundle $B $C >out 2>&1; $R start $C 2>&1; echo "= $?"; await stopped; say $R delete $C; say $R state $C`
	c := exec.Command("sh", "-c", script)
	c.Dir = t.TempDir()
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + hull + " --root " + c.Dir + "/state", "C=hull-poststart", "B=" + bundle(t, sp)}
	t.Cleanup(func() { _ = exec.Command(hull, "--root", c.Dir+"/state", "delete", "--force", "hull-poststart").Run() })
	out, err := c.CombinedOutput()
	const want = "hull: hooks.poststart: hook 1: /bin/sh: exit status 3: no\n= 1\n= 0\n= 1\n"
	if err != nil || strings.TrimSpace(string(out)) != strings.TrimSpace(want) {
		t.Errorf("%v:\n%swants\n%s", err, out, want)
	}
}
