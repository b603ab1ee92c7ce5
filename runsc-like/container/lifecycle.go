package container

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// RunOptions says what Run does beside creating and starting.
type RunOptions struct {
	Detach bool // return once the process runs
	Keep   bool // do not delete the container at the end
}

// Run creates a container, starts it, and, unless it is to be detached, stays
// until its process has ended, whose exit status it returns.
func (r Root) Run(o CreateOptions, ro RunOptions) (int, error) {
	if !ro.Detach && o.Spec.Process.Terminal && o.ConsoleSocket == "" {
		o.Relay = true
	}
	c, conn, err := r.create(&o)
	if err != nil {
		return StatusFailed, err
	}
	defer conn.Close()
	if !ro.Detach {
		err = conn.Send(control.Message{Kind: control.Wait}) // first: it may end at once
	}
	if err == nil {
		err = c.startOver(conn)
	}
	if err != nil {
		err = errors.Join(err, c.destroy())
		c.Close()
		return StatusFailed, err
	}
	c.Close()
	if ro.Detach {
		return 0, nil
	}
	var rl *relay
	if o.master != nil {
		rl = startRelay(o.master, o.callerIn, o.callerOut)
	}
	status, err := c.attend(conn)
	if rl != nil {
		rl.stop()
	}
	if !ro.Keep {
		if derr := r.Delete(c.ID, true); derr != nil {
			err = errors.Join(err, derr)
		}
	}
	return status, err
}

// killed reports whether the sandbox, which has ended, was killed from outside: for
// want of memory, say. To callers it is the container's first process.
func (c *Container) killed() bool {
	if c.Sandbox != "" {
		return true // it is not ours to wait for, and leaves a line if it is its own fault
	}
	var ws unix.WaitStatus
	_, err := unix.Wait4(c.Sentry.PID, &ws, 0, nil)
	for err == unix.EINTR {
		_, err = unix.Wait4(c.Sentry.PID, &ws, 0, nil)
	}
	return err == nil && ws.Signaled() && ws.Signal() == unix.SIGKILL
}

// attend stays with the first process until it has ended.
func (c *Container) attend(conn *control.Conn) (int, error) {
	forward := forwardSignals(conn, false, ignored())
	defer forward.stop()
	forward.ready()
	status, err := follow(conn, forward)
	if errors.Is(err, errDied) || errors.Is(err, io.EOF) {
		if why := logged(c.path(logFile)); why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		} else if c.killed() {
			return 128 + int(unix.SIGKILL), nil
		}
	}
	if err != nil {
		return StatusFailed, err
	}
	return status, nil
}
