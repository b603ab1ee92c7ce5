package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/hooks"
)

// hookState is what hooks are told of the container.
func (c *Container) hookState(status specs.ContainerState) specs.State {
	s := specs.State{
		Version: specs.Version, ID: c.ID, Status: status, Pid: c.first().PID, Bundle: c.Bundle,
		Annotations: c.Annotations,
	}
	if status == specs.StateStopped {
		s.Pid = 0
	}
	return s
}

// prepareHooks runs the hooks between the namespaces' making and the root's. The
// first that fails is the container's failure.
func (c *Container) prepareHooks(s *specs.Spec) error {
	h := c.Hooks
	if h == nil {
		return nil
	}
	state := c.hookState(specs.StateCreating)
	for _, kind := range []struct {
		name string
		list []specs.Hook
	}{
		//lint:ignore SA1019 prestart is deprecated, and what dockerd uses
		{"prestart", h.Prestart},
		{"createRuntime", h.CreateRuntime},
	} {
		if err := hooks.Run(context.Background(), kind.list, state, ""); err != nil {
			return fmt.Errorf("hooks.%s: %w", kind.name, err)
		}
	}
	if len(h.CreateContainer) == 0 {
		return nil
	}
	err := c.inNamespaces(s, func() error { return hooks.Run(context.Background(), h.CreateContainer, state, c.Rootfs) })
	if err != nil {
		return fmt.Errorf("hooks.createContainer: %w", err)
	}
	return nil
}

// startedHooks runs the hooks after the process's start. The first that fails is the
// container's failure, which ends it.
func (c *Container) startedHooks() error {
	if c.Hooks == nil {
		return nil
	}
	err := hooks.Run(context.Background(), c.Hooks.Poststart, c.hookState(specs.StateRunning), "")
	if err == nil {
		return nil
	}
	err = fmt.Errorf("hooks.poststart: %w", err)
	if kill := c.signal(unix.SIGKILL, false); !errors.Is(kill, ErrNotRunning) {
		err = errors.Join(err, kill)
	}
	return err
}

// stoppedHooks runs the hooks at the end, whose failure changes nothing; it is told on
// standard error.
func (c *Container) stoppedHooks() {
	if c.Hooks == nil {
		return
	}
	if err := hooks.RunAll(context.Background(), c.Hooks.Poststop, c.hookState(specs.StateStopped)); err != nil {
		fmt.Fprintf(os.Stderr, "hull: warning: hooks.poststop: %v\n", err)
	}
}
