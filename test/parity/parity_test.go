// Package parity runs small programs on the host and in hull and compares what
// they print and how they end: Linux is the specification.
package parity

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is how long one program may run.
const limit = 60 * time.Second

// outcome is what is compared.
type outcome struct {
	out    string
	status int
}

// TestParity runs every program of testdata.
func TestParity(t *testing.T) {
	hull := binary(t)
	known := knownFailures(t)
	srcs, err := filepath.Glob("testdata/*.c")
	if err != nil || len(srcs) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, src := range srcs {
		name := strings.TrimSuffix(filepath.Base(src), ".c")
		t.Run(name, func(t *testing.T) {
			prog := compile(t, dir, src, name)
			work := filepath.Join(dir, name+".d")
			want := run(t, work, prog)
			got := run(t, work, hull, "do", "--", prog)
			same := got == want
			switch {
			case known[name] && same:
				t.Errorf("it is in known.txt and passes: take it out")
			case known[name]:
				t.Logf("known to differ:\n%s", diff(want, got))
			case !same:
				t.Errorf("%s", diff(want, got))
			}
		})
	}
}

// binary is the hull to test: HULL_BIN, or the repository's own.
func binary(t *testing.T) string {
	bin := os.Getenv("HULL_BIN")
	if bin == "" {
		bin = "../../bin/hull"
	}
	abs, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return abs
}

// knownFailures reads known.txt: a name a line, # comments. It may only shrink.
func knownFailures(t *testing.T) map[string]bool {
	f, err := os.Open("known.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			known[line] = true
		}
	}
	return known
}

func compile(t *testing.T, dir, src, name string) string {
	t.Helper()
	prog := filepath.Join(dir, name)
	c := exec.Command("gcc", "-O1", "-w", "-pthread", "-o", prog, src, "-lrt")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", src, err, out)
	}
	return prog
}

// run runs a program in an empty directory, with nothing to read.
func run(t *testing.T, work string, name string, args ...string) outcome {
	t.Helper()
	if err := os.RemoveAll(work); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = work
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	// A program that hangs may leave others with its output open.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var ee *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return outcome{out.String() + "\n(timed out)", -1}
	case err != nil && !errors.As(err, &ee):
		t.Fatal(err)
	}
	status := c.ProcessState.ExitCode()
	if ws := c.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		status = 128 + int(ws.Signal()) // as hull says it
	}
	if errs.Len() > 0 {
		out.WriteString("stderr: " + errs.String())
	}
	return outcome{out.String(), status}
}

// diff shows the first line that differs.
func diff(want, got outcome) string {
	if want.status != got.status {
		return fmt.Sprintf("status %d, the host has %d; output %q, the host's %q", got.status, want.status, tail(got.out), tail(want.out))
	}
	w, g := strings.Split(want.out, "\n"), strings.Split(got.out, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "(end)", "(end)"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d: %q, the host has %q", i+1, b, a)
		}
	}
	return ""
}

func tail(s string) string { return s[max(0, len(s)-200):] }
