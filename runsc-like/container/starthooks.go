package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// startHooks runs the hooks that are programs of the container's own root, in
// the container, as its process would run. If one fails, the container is not
// started: it ends.
func (c *Container) startHooks() error {
	if c.Hooks == nil {
		return nil
	}
	if len(c.Hooks.StartContainer) == 0 {
		return nil
	}
	told := c.hookState(specs.StateCreated)
	// Its number as the container sees it.
	list, err := Root{c.rootDir()}.Processes(c.ID)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		told.Pid = int(list[0].PID)
	}
	state, err := json.Marshal(told)
	if err != nil {
		return err
	}
	for i, h := range c.Hooks.StartContainer {
		if err := c.startHook(h, state); err != nil {
			err = fmt.Errorf("hooks.startContainer[%d]: %s: %w", i, h.Path, err)
			return errors.Join(err, c.signal(unix.SIGKILL, false))
		}
	}
	return nil
}

// hookOutput is how much of what a hook says is kept, for the error.
const hookOutput = 4 << 10

func (c *Container) startHook(h specs.Hook, state []byte) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	p := *c.Process
	p.Terminal, p.Cwd, p.Env, p.Args = false, "/", h.Env, h.Args
	if len(p.Args) == 0 {
		p.Args = []string{h.Path}
	}
	cfg, err := control.WriteExec(&control.ExecConfig{Process: p, Hook: h.Path})
	if err != nil {
		return err
	}
	defer cfg.Close()
	in, feed, err := os.Pipe()
	if err != nil {
		return err
	}
	defer feed.Close()
	said, out, err := os.Pipe()
	if err != nil {
		in.Close()
		return err
	}
	defer said.Close()
	err = execStart(conn, []*os.File{cfg, in, out, out}, &p)
	in.Close()
	out.Close()
	if err != nil {
		return err
	}
	go func() { _, _ = feed.Write(state); feed.Close() }() // a hook need not read it
	var text bytes.Buffer
	heard := make(chan struct{})
	go func() {
		_, _ = io.Copy(&text, io.LimitReader(said, hookOutput))
		_, _ = io.Copy(io.Discard, said)
		close(heard)
	}()
	var late atomic.Bool
	if h.Timeout != nil {
		// The sandbox kills a process that nobody asks for any more.
		t := time.AfterFunc(time.Duration(*h.Timeout)*time.Second, func() { late.Store(true); conn.Close() })
		defer t.Stop()
	}
	code, err := exitOf(conn)
	select {
	case <-heard:
	case <-time.After(patience): // somebody else has its output too
		said.Close()
		<-heard
	}
	switch why := strings.TrimSpace(text.String()); {
	case late.Load():
		return fmt.Errorf("did not end within %d seconds", *h.Timeout)
	case err != nil:
		return err
	case code != 0 && why != "":
		return fmt.Errorf("exit status %d: %s", code, why)
	case code != 0:
		return fmt.Errorf("exit status %d", code)
	}
	return nil
}

// exitOf waits for the end of the process that conn is about.
func exitOf(conn *control.Conn) (int, error) {
	for {
		m, err := conn.Receive()
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errDied, err)
		}
		if m.Kind == control.Exited {
			return m.Code, nil
		}
	}
}
