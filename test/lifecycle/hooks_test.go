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
	sp := spec(t, forever)
	one := 1
	sp.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/true", Timeout: &one}, {Path: "/bin/sh", Args: []string{"sh", "-c", "echo no >&2; exit 3"}}}}
	alone(t, sp, `$R create --bundle $B $C >out 2>&1; $R start $C 2>&1; echo "= $?"; await stopped; say $R delete $C; say $R state $C`,
		"hull: hooks.poststart: hook 1: /bin/sh: exit status 3: no\n= 1\n= 0\n= 1\n")
}

// TestNotTheCallers: numbers that the caller has no descriptor for are not those of
// hull's own that got them.
func TestNotTheCallers(t *testing.T) {
	alone(t, spec(t, "echo never"), `for v in run create; do $R $v --preserve-fds 3 --bundle $B $C 5</dev/null 2>&1; echo "= $?"; done`,
		strings.Repeat("hull: --preserve-fds: descriptor 3 (of 3): bad file descriptor\n= 1\n", 2))
}

// alone runs a script as a story does, with hull only.
func alone(t *testing.T, sp *specs.Spec, script, want string) {
	t.Helper()
	const id = "hull-alone"
	c := exec.Command("sh", "-c", prelude+script)
	c.Dir = t.TempDir()
	r := sandbox.Binary(t) + " --root " + c.Dir + "/state"
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + r, "C=" + id, "B=" + bundle(t, sp)}
	t.Cleanup(func() { _ = exec.Command("sh", "-c", r+" delete --force "+id).Run() })
	if out, err := c.CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("%v:\n%swants\n%s", err, out, want)
	}
}
