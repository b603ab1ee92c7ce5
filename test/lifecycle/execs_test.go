package lifecycle

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hull/test/internal/sandbox"
)

// Hundreds of processes are executed in a container at once, each with its own
// user, output and exit status, every tenth with a terminal, every tenth detached;
// no process of them stays, and no descriptor but one a terminal.
func TestManyExecs(t *testing.T) {
	const n = 200
	hull, dir := sandbox.Binary(t), t.TempDir()
	state, id := filepath.Join(dir, "state"), "hull-execs"
	run := func(args ...string) *exec.Cmd {
		c := exec.Command(hull, append([]string{"--root", state}, args...)...)
		c.Dir = dir
		return c
	}
	// Without a pipe: the container would keep it open.
	first := run("run", "--detach", "--pid-file", "pid", "--bundle", bundle(t, spec(t, forever)), id)
	first.Stderr = os.Stderr
	if err := first.Run(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if out, err := run("delete", "--force", id).CombinedOutput(); err != nil {
			t.Errorf("delete: %v\n%s", err, out)
		}
	}()
	descriptors := func() int {
		pid, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := os.ReadDir("/proc/" + strings.TrimSpace(string(pid)) + "/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if out, err := run("exec", id, "true").CombinedOutput(); err != nil { // what is made at the first one
		t.Fatalf("%v\n%s", err, out)
	}
	before := descriptors()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			args := []string{"exec", "--user", fmt.Sprintf("%d:%d", 1000+i, 2000+i), "--env", fmt.Sprintf("I=%d", i)}
			want, status := fmt.Sprintf("%d %d %d", i, 1000+i, 2000+i), i%100
			switch i % 10 {
			case 3:
				args = append(args, "--tty")
			case 7:
				args, want, status = append(args, "--detach"), "", 0
			}
			c := run(append(args, id, "sh", "-c", `echo $I $(id -u) $(id -g); exit $((I % 100))`)...)
			var out bytes.Buffer
			c.Stdout, c.Stderr = &out, io.Discard
			err := c.Run()
			if code := c.ProcessState.ExitCode(); code != status || i%10 != 7 && strings.TrimSpace(out.String()) != want {
				t.Errorf("exec %d: status %d (%v), output %q; want %d and %q", i, code, err, out.String(), status, want)
			}
		})
	}
	all.Wait()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := run("exec", id, "ps", "-o", "comm").Output()
		if err != nil {
			t.Fatal(err)
		}
		// The header, the first process, what it waits for, and ps itself.
		lines, open := strings.Count(string(out), "\n"), descriptors()
		if lines <= 4 && open <= before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors, before %d; processes:\n%s", open, before, out)
		}
	}
}
