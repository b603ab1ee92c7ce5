package container

import (
	"context"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

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
func (c *Container) prepareHooks() error {
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
		{"createContainer", h.CreateContainer},
	} {
		if err := hooks.Run(context.Background(), kind.list, state); err != nil {
			return fmt.Errorf("hooks.%s: %w", kind.name, err)
		}
	}
	return nil
}

// lateHooks runs hooks whose failure changes nothing; it is told on standard
// error.
func (c *Container) lateHooks(name string, of func(*specs.Hooks) []specs.Hook, status specs.ContainerState) {
	if c.Hooks == nil {
		return
	}
	if err := hooks.RunAll(context.Background(), of(c.Hooks), c.hookState(status)); err != nil {
		fmt.Fprintf(os.Stderr, "hull: warning: hooks.%s: %v\n", name, err)
	}
}
