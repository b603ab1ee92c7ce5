package oci

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// scriptCase is a shell script that is run once for each runtime; what it prints
// on standard output is compared. The group that it belongs to says what its
// variables are.
type scriptCase struct{ name, script string }

// teller runs scripts of a group.
type teller struct {
	// label is part of the names of containers: groups that run at the same time have
	// other ones.
	label   string
	prelude string
	// env are the variables for a runtime; name is what its containers are called.
	env func(runtime, name string) []string
	// clean removes what a script may have left of the name.
	clean func(runtime, name string)
	// apart are the cases that look at what there is of all containers.
	apart []string
	// user runs the scripts, in a directory of his; nil is root.
	user *ordinary
}

// patience is how long a script may take.
const patience = 2 * time.Minute

// tell runs a script with a runtime, in a directory of its own.
func (e *teller) tell(t *testing.T, c scriptCase, runtime string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	shell, dir := []string{"sh", "-c"}, t.TempDir()
	if e.user != nil {
		shell, dir = append(e.user.as(), shell...), e.user.tempDir(t)
	}
	cmd := exec.CommandContext(ctx, shell[0], append(shell[1:], e.prelude+c.script)...)
	cmd.Dir = dir
	name := "hull-test-" + e.label + runtime
	cmd.Env = append(e.env(runtime, name), "LC_ALL=C")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		t.Errorf("%s: %v", runtime, err)
	}
	e.clean(runtime, name)
	return strings.ReplaceAll(strings.ReplaceAll(string(out), name, "NAME"), cmd.Dir, "DIR")
}

// compare runs each case with both runtimes at once. On a busy machine a case's
// own sleeps can be too short, for either: it may be told again.
func (e *teller) compare(t *testing.T, cases []scriptCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			const attempts = 3
			for n := 1; ; n++ {
				var want, got string
				var both sync.WaitGroup
				both.Go(func() { want = e.tell(t, c, "runc") })
				if slices.Contains(e.apart, c.name) {
					both.Wait()
				}
				both.Go(func() { got = e.tell(t, c, "hull") })
				both.Wait()
				if got == want {
					return
				}
				if n == attempts {
					t.Fatalf("with hull:\n%s\nwith runc:\n%s", got, want)
				}
				t.Logf("attempt %d: with hull:\n%s\nwith runc:\n%s", n, got, want)
			}
		})
	}
}

// TestCallers runs the cases of all callers. Two groups run side by side: most of a
// case is waiting.
func TestCallers(t *testing.T) {
	d := start(t)
	t.Run("docker", func(t *testing.T) {
		t.Parallel()
		d.docker(t)
		t.Run("privileged", d.privileged)
	})
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		t.Run("build", d.build)
		t.Run("compose", d.compose)
		t.Run("ctr", d.ctr)
		t.Run("podman", d.podman)
		t.Run("podman of a user", d.userPodman)
	})
}
