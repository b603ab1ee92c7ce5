package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
)

// A pod is a sandbox with several containers: the first, whose end is the
// sandbox's, and those that joined. A container joins a sandbox because its
// annotations say so, as Kubernetes' runtimes set them, or because a namespace
// that it is to have is that of a container of hull's.

// The roles in a pod that annotations give.
const (
	roleSandbox   = "sandbox"
	roleContainer = "container"
)

// podRole returns the role that annotations give, "" for none.
func podRole(annotations map[string]string) string {
	for _, key := range []string{"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"} {
		switch role := annotations[key]; role {
		case roleSandbox, roleContainer:
			return role
		}
	}
	return ""
}

// sandboxID returns which sandbox the annotations of s name.
func sandboxID(s *specs.Spec) string {
	for _, key := range []string{"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"} {
		if id := s.Annotations[key]; id != "" {
			return id
		}
	}
	return ""
}

// podRole is the role of a container that there is.
func (c *Container) podRole() string {
	if c.Sandbox != "" {
		return roleContainer
	}
	return podRole(c.Annotations)
}

// inPod reports whether the container shares its sandbox, or is made to.
func (c *Container) inPod() bool {
	if c.podRole() != "" {
		return true
	}
	ids, _ := c.root().ids() // without any there is none
	for _, id := range ids {
		if o, err := c.root().Look(id); err == nil && o.Sandbox == c.ID {
			return true
		}
	}
	return false
}

// pod is what a container is to join.
type pod struct {
	sandbox *Container
	share   control.Share
}

// podOf finds the sandbox that a container with the configuration s is to join;
// nil if it is to have its own.
func (r Root) podOf(s *specs.Spec) (*pod, error) {
	p := &pod{}
	if podRole(s.Annotations) == roleContainer {
		id := sandboxID(s)
		sandbox, err := r.Look(id)
		if err != nil {
			return nil, fieldf("annotations", "sandbox %q: %v", id, err)
		}
		p.sandbox = sandbox
	}
	whose := map[specs.LinuxNamespaceType]string{}
	for i, ns := range s.Linux.Namespaces {
		if whose[ns.Type] = ""; ns.Path == "" || !mayJoin(ns) {
			continue
		}
		field := fmt.Sprintf("linux.namespaces[%d].path", i)
		c := r.ofNamespace(ns.Path)
		switch {
		case c != nil:
		case p.sandbox != nil:
			c = p.sandbox // all have its network
		case ns.Type == specs.NetworkNamespace:
			continue
		default:
			return nil, fieldf(field, "%s is no namespace of a container of hull's that runs", ns.Path)
		}
		sandbox := c
		if c.Sandbox != "" {
			var err error
			if sandbox, err = r.Look(c.Sandbox); err != nil {
				return nil, fieldf(field, "sandbox of %s: %v", c.ID, err)
			}
		}
		if p.sandbox != nil && p.sandbox.ID != sandbox.ID {
			return nil, fieldf(field, "%s is of sandbox %s, others are of %s", ns.Path, sandbox.ID, p.sandbox.ID)
		}
		p.sandbox, whose[ns.Type] = sandbox, c.ID
	}
	if p.sandbox == nil {
		return nil, nil
	}
	if p.sandbox.Sandbox != "" || !p.sandbox.Sentry.Alive() {
		return nil, fmt.Errorf("sandbox %s: %w", p.sandbox.ID, ErrNotRunning)
	}
	if still, err := p.sandbox.still(); err != nil || still {
		return nil, errors.Join(err, fmt.Errorf("sandbox %s is paused", p.sandbox.ID))
	}
	// A kind that is not listed would be the host's: here it is the sandbox's.
	of := func(kind specs.LinuxNamespaceType) string {
		if id, listed := whose[kind]; listed {
			return id
		}
		return p.sandbox.ID
	}
	p.share = control.Share{PID: of(specs.PIDNamespace), IPC: of(specs.IPCNamespace), UTS: of(specs.UTSNamespace)}
	return p, nil
}

// mayJoin reports whether a namespace can be one of a container of hull's: by the
// number of the process that the caller was told.
func mayJoin(ns specs.LinuxNamespace) bool {
	kinds := []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.NetworkNamespace}
	return slices.Contains(kinds, ns.Type) && namespaceOwner(ns.Path) > 0
}

// namespaceOwner returns N of /proc/N/ns/KIND, 0 of another path.
func namespaceOwner(path string) int {
	f := strings.Split(filepath.Clean(path), "/")
	if len(f) != 5 || f[0] != "" || f[1] != "proc" || f[3] != "ns" {
		return 0
	}
	n, err := strconv.Atoi(f[2])
	if err != nil || n <= 0 {
		return 0
	}
	return n
}

// ofNamespace returns the container whose process the path of a namespace names;
// nil if there is none.
func (r Root) ofNamespace(path string) *Container {
	pid := namespaceOwner(path)
	if pid == 0 {
		return nil
	}
	ids, _ := r.ids() // without any there is none
	for _, id := range ids {
		c, err := r.Look(id)
		if err == nil && c.first().PID == pid && c.alive() {
			return c
		}
	}
	return nil
}

// first is the process of the host that callers take for the container's first:
// its end is the container's.
func (c *Container) first() Process {
	if c.Sandbox != "" {
		return c.Gofer
	}
	return c.Sentry
}

// alive reports whether there is somebody to ask about the container.
func (c *Container) alive() bool { return c.first().Alive() && c.Sentry.Alive() }

// processes are the container's own on the host.
func (c *Container) processes() []Process {
	if c.Sandbox != "" {
		return []Process{c.Gofer}
	}
	return []Process{c.Sentry, c.Gofer, c.Proxy, c.Relay, c.Watcher, c.Agent}
}

// forgetTime is how long a sandbox may take to end what it has of a container: it has
// been killed, and its gofer too.
const forgetTime = 30 * time.Second

// endProcesses ends the container's own processes on the host, and what its
// sandbox has of it.
func (c *Container) endProcesses() error {
	for _, p := range c.processes() {
		if err := p.end(); err != nil {
			return err
		}
	}
	if err := errors.Join(c.Proxy.end(), c.Relay.end(), c.Watcher.end(), c.Agent.end()); err != nil {
		return err
	}
	if c.Sandbox == "" || !c.Sentry.Alive() {
		return nil
	}
	if still, err := c.still(); err == nil && still {
		return nil // when it goes on it sees that the gofer is gone
	}
	conn, err := control.Dial(c.controlPath())
	if err == nil {
		conn.About(c.ID)
		if err = conn.ReceiveWithin(forgetTime); err == nil {
			_, err = ask(conn, control.Message{Kind: control.Forget})
		}
		conn.Close()
	}
	switch {
	case err == nil || !c.Sentry.Alive() || isUnknown(err):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("sandbox %s has not forgotten container %s in %v", c.Sandbox, c.ID, forgetTime)
	}
	return err
}

// isUnknown reports whether a sandbox said that it does not have the container.
func isUnknown(err error) bool {
	var se *StatusError
	return errors.As(err, &se) && strings.HasPrefix(se.Error(), control.NoContainer)
}

// about is how the container's sandbox knows it.
func (c *Container) about() string {
	if c.Sandbox != "" {
		return c.ID
	}
	return ""
}

// root is the directory that the container's is in.
func (c *Container) root() Root { return Root{filepath.Dir(c.dir)} }

// controlPath is where the container's sandbox listens.
func (c *Container) controlPath() string {
	if c.Sandbox != "" {
		return filepath.Join(filepath.Dir(c.dir), c.Sandbox, controlFile)
	}
	return c.path(controlFile)
}

// order has the sandbox do something with the container.
func (c *Container) order(kind control.Kind) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	m, err := ask(conn, control.Message{Kind: kind})
	if err == nil && m.Kind != control.Done {
		err = unexpected(m)
	}
	return err
}
