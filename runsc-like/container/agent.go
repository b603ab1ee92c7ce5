package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/agent"
	"hull/runsc-like/control"
)

// agentLink is what there is between a container that is being made and an agent
// that decides about calls of it.
type agentLink struct {
	to       *net.UnixConn // the agent's socket
	listener *os.File      // for the agent
	sentry   []*os.File    // for the sentry: control.AgentFDs
}

// close lets go of what others have by now, or nobody is to have.
func (a *agentLink) close() {
	if a == nil {
		return
	}
	closeFiles(append(a.sentry, a.listener))
	a.to.Close()
}

// files are those for the sentry, after all others.
func (a *agentLink) files() []*os.File {
	if a == nil {
		return nil
	}
	return a.sentry
}

// startAgent starts the helper for the agent at linux.seccomp.listenerPath, if calls
// are handed to one; nil if not.
func (c *Container) startAgent(o *CreateOptions) (a *agentLink, err error) {
	s := o.Spec.Linux.Seccomp
	if s == nil {
		return nil, nil
	}
	if p, err := compiledProfiles().compile(s); err != nil || !p.Listener {
		return nil, err // which was checked before
	}
	refuse := func(err error) (*agentLink, error) { return nil, fieldf("linux.seccomp.listenerPath", "%v", err) }
	to, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.ListenerPath, Net: "unix"})
	if err != nil {
		return refuse(err)
	}
	a = &agentLink{to: to}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	dev, listener, err := agent.Open()
	if err != nil {
		return refuse(err)
	}
	defer dev.Close()
	a.listener = listener
	far, near, err := socketPair("seccomp agent")
	if err != nil {
		return nil, err
	}
	defer far.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		near.Close()
		return nil, err
	}
	a.sentry = []*os.File{near, os.NewFile(uintptr(fd), "owner")}
	return a, c.startAgentHelper(a, far, dev)
}

// startAgentHelper starts the process that serves the listener.
func (c *Container) startAgentHelper(a *agentLink, far, dev *os.File) error {
	log, err := os.OpenFile(c.path(logFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	f, err := control.WriteRole(&control.Role{Detached: true, CPUs: runtime.NumCPU()})
	if err != nil {
		return err
	}
	defer f.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	proc, err := viewTree("/proc", true, false, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	defer proc.Close()
	// It gets what the agent has from there, as far as this process may: so it is who
	// this process is, with one right of that one's.
	b := birthOf("agent", []*os.File{null, log, log, null, far, f, dev, a.sentry[1], proc}, true)
	b.Namespaces &^= unix.CLONE_NEWUSER | unix.CLONE_NEWPID // numbers of processes are to be the agent's
	b.Map = func(int) error { return nil }
	b.Root = os.Geteuid() == 0
	if mayTrace() {
		b.Caps = []int{unix.CAP_SYS_PTRACE}
	}
	helper, err := startIn(-1, b, "helper of the seccomp agent")
	if err != nil {
		return err
	}
	if c.Agent, err = processOf(helper.Pid); err == nil {
		err = c.save()
	}
	if err != nil {
		helper.Kill()
		helper.Wait()
	}
	return err
}

// mayTrace reports whether this process has the right to trace others.
func mayTrace() bool {
	var data [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
	return err == nil && data[0].Permitted&(1<<unix.CAP_SYS_PTRACE) != 0
}

// hand gives the agent its listener, with what the specification wants it to be told.
func (a *agentLink) hand(c *Container, metadata string) error {
	pid := c.first().PID
	b, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: metadata,
		State: specs.State{Version: specs.Version, ID: c.ID, Status: specs.StateCreating, Pid: pid, Bundle: c.Bundle, Annotations: c.Annotations},
	})
	if err != nil {
		return err
	}
	n, oob, err := a.to.WriteMsgUnix(b, unix.UnixRights(int(a.listener.Fd())), nil)
	if err == nil && (n != len(b) || oob == 0) {
		err = errors.New("the state was not sent whole")
	}
	if err != nil {
		return fieldf("linux.seccomp.listenerPath", "%v", err)
	}
	if err := c.enterLater(c.Agent.PID); err != nil {
		return fmt.Errorf("helper of the seccomp agent: %w", err)
	}
	return nil
}
