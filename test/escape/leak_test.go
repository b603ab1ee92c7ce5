package escape

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// footprint is what a process holds of the host.
type footprint struct {
	fds, threads, kB int
}

// look waits for a sandbox to come to rest, and adds up its processes.
func look(t *testing.T, cli int) footprint {
	t.Helper()
	time.Sleep(3 * time.Second)
	var sum footprint
	for _, pid := range family(cli) {
		dir := fmt.Sprintf("/proc/%d/", pid)
		fds, err := os.ReadDir(dir + "fd")
		if err != nil {
			continue // a zombie of the moment
		}
		threads, _ := os.ReadDir(dir + "task") // gone with the process
		sum.fds += len(fds)
		sum.threads += len(threads)
		b, _ := os.ReadFile(dir + "smaps_rollup")
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				n, _ := strconv.Atoi(f[1])
				sum.kB += n
			}
		}
	}
	return sum
}

// family is a process and all its descendants.
func family(pid int) []int {
	all := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, family(child)...)
			}
		}
	}
	return all
}

// TestManyProcesses looks at a sandbox before and after HULL_MANY fork+exec: it
// must be as small as it was.
func TestManyProcesses(t *testing.T) {
	n := count(t, "HULL_MANY", 1000)
	c := exec.Command(hull(t), "do", "--root", root(t, "many"), "--cwd", "/", "--", "/bin/prog", strconv.Itoa(n))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	say := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("it said %q, want %q", lines.Text(), want)
		}
	}
	say("ready")
	before := look(t, c.Process.Pid)
	fmt.Fprintln(in)
	say("done")
	after := look(t, c.Process.Pid)
	// Collecting has a schedule of its own: what it has not given back yet is no
	// leak, what it never gives back is one.
	for range 3 {
		if !grew(before, after) {
			break
		}
		after = look(t, c.Process.Pid)
	}
	t.Logf("%d fork+exec: %+v before, %+v after", n, before, after)
	fmt.Fprintln(in)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if grew(before, after) {
		t.Errorf("it grew: %+v before, %+v after", before, after)
	}
}

// grew reports whether after is more than before and the heap's play.
func grew(before, after footprint) bool {
	return after.fds > before.fds+4 || after.threads > before.threads+8 || after.kB > before.kB+6144
}
