// Package parity runs small programs on the host and in the sandbox: Linux is
// the oracle, and the outputs and exit statuses must be equal.
//
// A program is a C file in testdata, one subject a file. It prints what system
// calls return, and nothing that differs between two runs on one kernel: no
// addresses, times or process ids. It starts in an empty directory of its own.
// Lines of its head can say:
//
//	// link: dynamic      compiled dynamically too, not only statically
//	// needs: root        left out when the tests run as another user
//	// args: a b          its arguments
//
// A program whose output differs runs again, twice at most, and what differed is
// logged: the host's own scheduling is part of what is compared, and a machine
// under load can starve either side.
//
// known.txt names programs that are known to fail and why. It may only shrink:
// one that passes has to be taken from the list.
package parity

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hull/test/internal/sandbox"
)

// attempts is how often a program may differ before it counts.
const attempts = 3

func TestParity(t *testing.T) {
	sources, err := filepath.Glob("testdata/*.c")
	if err != nil || len(sources) < 80 {
		t.Fatalf("%d programs in testdata, not 80 or more (%v)", len(sources), err)
	}
	known := readKnown(t)
	box, host := sandbox.Find(t), sandbox.Host(t)
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".c")
		d := sandbox.Directives(t, source)
		links := []string{"static"}
		if slices.Contains(d["link"], "dynamic") {
			links = append(links, "dynamic")
		}
		why, isKnown := known[name]
		delete(known, name)
		t.Run(name, func(t *testing.T) {
			if slices.Contains(d["needs"], "root") && os.Getuid() != 0 {
				t.Fatal("needs root")
			}
			var diffs []string
			for _, link := range links {
				var diff string
				for range attempts {
					if diff = compare(t, box, host, source, link, d["args"]); diff == "" || isKnown {
						break
					}
					t.Logf("%s: %s", link, diff)
				}
				if diff != "" {
					diffs = append(diffs, link+": "+diff)
				}
			}
			switch {
			case isKnown && len(diffs) == 0 && box.Hull():
				t.Errorf("passes: take it from known.txt")
			case isKnown && len(diffs) != 0:
				t.Skipf("known: %s\n%s", why, strings.Join(diffs, "\n"))
			case len(diffs) != 0:
				t.Error(strings.Join(diffs, "\n"))
			}
		})
	}
	for name := range known {
		t.Errorf("known.txt names %s, which there is not", name)
	}
}

// compare runs source in both worlds and says how they differ.
func compare(t *testing.T, box, host *sandbox.Runner, source, link string, args []string) string {
	var flags []string
	if link == "static" {
		flags = append(flags, "-static")
	}
	program := sandbox.Compile(t, source, flags...)
	// One path for both, which the sandbox sees as it is and changes for itself
	// only; the host's run is last, so that it too finds it empty.
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := sandbox.Cmd{Dir: dir, Args: append([]string{program}, args...), Limit: time.Minute}
	got := box.Run(t, c)
	if left, err := os.ReadDir(dir); box.Hull() && (err != nil || len(left) != 0) {
		t.Errorf("the sandbox left %v on the host (%v)", left, err)
	}
	if !box.Hull() {
		clean(t, dir)
	}
	want := host.Run(t, c)
	if got.Stdout == want.Stdout && got.Status == want.Status && !got.TimedOut {
		return ""
	}
	s := fmt.Sprintf("host: status %d; sandbox: status %d", want.Status, got.Status)
	if got.TimedOut {
		s += " (out of time)"
	}
	s += "\n" + lineDiff(want.Stdout, got.Stdout)
	if got.Stderr != "" {
		s += "sandbox's stderr:\n" + got.Stderr
	}
	return s
}

func clean(t *testing.T, dir string) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if err == nil {
			err = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lineDiff prints the lines that only one side has, around a common
// subsequence. Outputs are short.
func lineDiff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var s strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			fmt.Fprintf(&s, "  host    %s\n", a[i])
			i++
		default:
			fmt.Fprintf(&s, "  sandbox %s\n", b[j])
			j++
		}
	}
	return s.String()
}

// readKnown reads `program reason` lines.
func readKnown(t *testing.T) map[string]string {
	f, err := os.Open("known.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if name, why, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" {
			known[name] = strings.TrimSpace(why)
		}
	}
	return known
}
