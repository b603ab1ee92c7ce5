package sandbox

import (
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

	"golang.org/x/sys/unix"
)

// Runner starts commands in the sandbox under test, or on the host.
type Runner struct {
	prefix []string // of the command line
	hull   bool     // understands hull's flags
}

// Host runs commands as they are.
func Host(t testing.TB) *Runner {
	t.Helper()
	closeOnExec(t)
	return &Runner{}
}

// closeOnExec keeps descriptors that the test itself was started with from the
// commands: which numbers are free would depend on who runs the test.
func closeOnExec(t testing.TB) {
	t.Helper()
	if err := unix.CloseRange(3, 1<<31, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		t.Fatalf("close_range: %v", err)
	}
}

// Find returns the sandbox under test; without one the test fails and says
// what to do.
func Find(t testing.TB) *Runner {
	t.Helper()
	closeOnExec(t)
	if r := os.Getenv("HULL_TEST_RUNNER"); r != "" {
		return &Runner{prefix: strings.Fields(r)}
	}
	return &Runner{prefix: []string{Binary(t)}, hull: true}
}

// Binary is the path of hull.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("HULL_BIN")
	if path == "" {
		path = filepath.Join(Repository(), "bin", "hull")
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("there is no hull to test: %v (make build builds it, HULL_BIN names another one)", err)
	}
	return path
}

// Hull reports whether this is hull itself and Flags have a meaning.
func (r *Runner) Hull() bool { return r.hull }

// Cmd is how to start one command.
type Cmd struct {
	Dir   string   // the working directory, on the host and inside
	Flags []string // of `hull do`
	Args  []string
	Env   []string // besides PATH, HOME and LC_ALL
	Stdin string
	Limit time.Duration // then it is killed; one minute if 0
}

// Result is what a command left behind.
type Result struct {
	Stdout, Stderr string
	Status         int // as a shell tells it: 128+n is signal n
	TimedOut       bool
}

func (r Result) String() string {
	s := fmt.Sprintf("status %d", r.Status)
	if r.TimedOut {
		s += ", killed after the time limit"
	}
	return fmt.Sprintf("%s\nstdout:\n%sstderr:\n%s", s, r.Stdout, r.Stderr)
}

// Command builds the process of c; ctx ends it.
func (r *Runner) Command(ctx context.Context, c Cmd) *exec.Cmd {
	args := append([]string{}, r.prefix...)
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}, c.Env...)
	switch {
	case r.hull:
		args = append(args, "do")
		args = append(args, c.Flags...)
		if c.Dir != "" {
			args = append(args, "--cwd", c.Dir)
		}
		for _, e := range env {
			args = append(args, "--env", e)
		}
		args = append(args, "--")
	case len(r.prefix) > 0:
		// Other sandboxes have their own idea of the directory and environment.
		args = append(args, "/usr/bin/env", "-i", "-C", orRoot(c.Dir))
		args = append(args, env...)
	}
	args = append(args, c.Args...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, env
	// What hangs may have left children with its output open.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func orRoot(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}

// Run runs c to its end. An error is one of starting it.
func (r *Runner) Run(t testing.TB, c Cmd) Result {
	t.Helper()
	if c.Limit == 0 {
		c.Limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Limit)
	defer cancel()
	cmd := r.Command(ctx, c)
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.Stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return Result{Stdout: out.String(), Stderr: errs.String(), Status: Status(cmd.ProcessState), TimedOut: ctx.Err() != nil}
}

// Status is p's exit status as a shell tells it.
func Status(p *os.ProcessState) int {
	if w := p.Sys().(syscall.WaitStatus); w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.ExitCode()
}
