package sandbox

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Repository is the directory of go.mod.
func Repository() string {
	_, file, _, ok := runtime.Caller(0)
	if ok && filepath.IsAbs(file) {
		return filepath.Join(filepath.Dir(file), "..", "..", "..")
	}
	// Built with -trimpath: a test runs in its package's directory.
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// Cache returns a directory named name that lasts from run to run.
func Cache(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("HULL_CACHE")
	if dir == "" {
		dir = filepath.Join(Repository(), ".cache")
	}
	dir, err := filepath.Abs(filepath.Join(dir, name))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Compile returns the program that gcc makes of a C file with flags. It is
// made once: its name has the digest of the source, of the headers beside it
// and of the flags.
func Compile(t testing.TB, source string, flags ...string) string {
	t.Helper()
	h := sha256.New()
	headers, _ := filepath.Glob(filepath.Join(filepath.Dir(source), "*.h"))
	for _, name := range append(headers, source) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%d %s", len(b), b)
	}
	fmt.Fprint(h, flags)
	name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
	out := filepath.Join(Cache(t, "c"), fmt.Sprintf("%s-%x", name, h.Sum(nil)[:8]))
	if _, err := os.Stat(out); err == nil {
		return out
	}
	tmp := fmt.Sprintf("%s.%d", out, os.Getpid())
	args := append([]string{"-std=gnu17", "-O1", "-w", "-pthread", "-o", tmp, source}, flags...)
	if b, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", strings.Join(args, " "), err, b)
	}
	if err := os.Rename(tmp, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Directives reads lines `// name: words` from the head of a source file.
func Directives(t testing.TB, source string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	d := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		comment, ok := strings.CutPrefix(line, "// ")
		if !ok {
			break
		}
		if name, words, ok := strings.Cut(comment, ": "); ok && !strings.Contains(name, " ") {
			d[name] = strings.Fields(words)
		}
	}
	return d
}
