// Package e2e runs real software in hull: a Debian root, and the commands of it
// that people use. Where it makes sense the same command is run in a chroot of
// the same root, and the answers are compared.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// packages is what the root has beside the base system.
const packages = "python3,perl,gcc,libc6-dev,git,procps,libsqlite3-0"

// debian returns the root of a Debian system, made by debootstrap the first
// time and kept in the cache.
func debian(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("HULL_CACHE")
	if cache == "" {
		cache = "../../.cache"
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "debian-"+codename(t))
	done := filepath.Join(root, "etc", "hull-test-root")
	if _, err := os.Stat(done); err == nil {
		return root
	}
	t.Logf("making %s with debootstrap", root)
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"--variant=minbase", "--include=" + packages, codename(t), root}
	if m := mirror(); m != "" {
		args = append(args, m)
	}
	if out, err := exec.Command("debootstrap", args...).CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out[max(0, len(out)-2000):])
	}
	if err := os.WriteFile(done, []byte(packages+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// codename is the release of the host's Debian.
func codename(t *testing.T) string {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "VERSION_CODENAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return "stable"
}

// mirror is where the host's apt gets packages from, "" if that is not clear.
func mirror() string {
	files, _ := filepath.Glob("/etc/apt/sources.list.d/*") // the pattern is well-formed
	for _, f := range append([]string{"/etc/apt/sources.list"}, files...) {
		b, _ := os.ReadFile(f) // what cannot be read names no mirror
		for _, line := range strings.Split(string(b), "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			for _, w := range strings.Fields(line) {
				if strings.HasPrefix(w, "http") && strings.HasSuffix(strings.TrimRight(w, "/"), "/debian") {
					return w
				}
			}
		}
	}
	return ""
}

func hull(t *testing.T) string {
	t.Helper()
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

// result is what a command said and how it ended.
type result struct {
	out    string
	status int
}

// limit is how long one command may take.
const limit = 3 * time.Minute

// run runs a command with input, and returns its output and errors together.
func run(t *testing.T, input string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "TERM=xterm"}
	c.Stdin = strings.NewReader(input)
	c.WaitDelay = 5 * time.Second // what it left running may hold its output
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s %q did not end; so far: %s", name, args, out.String())
	}
	return result{out.String(), c.ProcessState.ExitCode()}
}
