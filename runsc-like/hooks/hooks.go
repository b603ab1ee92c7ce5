// Package hooks runs the hooks of a container: programs of whoever configured
// it, on the host, at a point of its life.
//
//	create   prestart, createRuntime, createContainer
//	start    poststart    after the container's program was started
//	delete   poststop     after everything else is gone
//
// A hook reads the container's state from its standard input. One that fails
// before the program runs is the container's failure (Run); one that fails
// later is a warning (RunAll). They run where the caller's thread is: that enters
// namespaces for createContainer first. The sixth kind, startContainer, is a program of
// the container's own root, so it runs as a process of the guest; this package checks it
// only.
package hooks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Check says what is wrong with h, without running any of it.
func Check(h *specs.Hooks) error {
	if h == nil {
		return nil
	}
	for _, kind := range kinds(h) {
		for i, hook := range kind.list {
			if err := check(hook); err != nil {
				return fmt.Errorf("hooks.%s[%d].%w", kind.name, i, err)
			}
		}
	}
	return nil
}

type kind struct {
	name string
	list []specs.Hook
}

func kinds(h *specs.Hooks) []kind {
	return []kind{
		//lint:ignore SA1019 prestart is deprecated, and part of every version 1 configuration
		{"prestart", h.Prestart},
		{"createRuntime", h.CreateRuntime}, {"createContainer", h.CreateContainer},
		{"startContainer", h.StartContainer}, {"poststart", h.Poststart}, {"poststop", h.Poststop},
	}
}

func check(h specs.Hook) error {
	if !filepath.IsAbs(h.Path) {
		return fmt.Errorf("path: %q is not an absolute path", h.Path)
	}
	if h.Timeout != nil && *h.Timeout <= 0 {
		return fmt.Errorf("timeout: %d is not a number of seconds above 0", *h.Timeout)
	}
	for _, s := range append(append([]string{h.Path}, h.Args...), h.Env...) {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("path: %q or an argument of it has a zero byte", h.Path)
		}
	}
	for i, e := range h.Env {
		if strings.IndexByte(e, '=') < 1 {
			return fmt.Errorf("env[%d]: %q is not NAME=value", i, e)
		}
	}
	return nil
}

// Run runs the hooks in order until one fails, in the directory dir, or, if that is
// "", in the bundle's.
func Run(ctx context.Context, hooks []specs.Hook, state specs.State, dir string) error {
	for i, h := range hooks {
		if err := run(ctx, h, state, dir); err != nil {
			return fmt.Errorf("hook %d: %w", i, err)
		}
	}
	return nil
}

// RunAll runs all hooks, whatever becomes of each, and returns what went wrong.
func RunAll(ctx context.Context, hooks []specs.Hook, state specs.State) error {
	var errs []error
	for i, h := range hooks {
		if err := run(ctx, h, state, ""); err != nil {
			errs = append(errs, fmt.Errorf("hook %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// Timeout is how long a hook that has a timeout may take.
func Timeout(h specs.Hook) time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	return time.Duration(min(int64(*h.Timeout), most)) * time.Second
}

// lastOutput is how much of what a hook says is kept, for the error.
const lastOutput = 4 << 10

// patience is how long a pipe may stay open that a killed hook's child has.
const patience = 2 * time.Second

func run(ctx context.Context, h specs.Hook, state specs.State, dir string) error {
	if err := check(h); err != nil {
		return err
	}
	in, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if h.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Timeout(h))
		defer cancel()
	}
	c := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		c.Args = slices.Clone(h.Args)
	}
	// What the specification gives is all that a hook gets.
	c.Env = slices.Clone(h.Env)
	if c.Env == nil {
		c.Env = []string{}
	}
	c.Dir = cmp.Or(dir, state.Bundle)
	if _, err := os.Stat(c.Dir); err != nil {
		c.Dir = "/" // at poststop, the bundle may be gone
	}
	c.Stdin = bytes.NewReader(in)
	var said tail
	c.Stdout, c.Stderr = &said, &said
	// A group of its own, so that its children end with it when time is up.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return unix.Kill(-c.Process.Pid, unix.SIGKILL) }
	c.WaitDelay = patience
	err = c.Run()
	// A hook need not read its standard input.
	if errors.Is(err, unix.EPIPE) && c.ProcessState != nil && c.ProcessState.Success() {
		err = nil
	}
	// Nor need what it leaves behind let go of its output.
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	switch {
	case err == nil:
		return nil
	case h.Timeout != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: did not end within %d seconds%s", h.Path, *h.Timeout, said.quote())
	}
	return fmt.Errorf("%s: %w%s", h.Path, err, said.quote())
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b[max(0, len(b)-lastOutput):]...)
	t.b = t.b[max(0, len(t.b)-lastOutput):]
	return len(b), nil
}

func (t *tail) quote() string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(t.b), "?"))
	if s == "" {
		return ""
	}
	return ": " + s
}
