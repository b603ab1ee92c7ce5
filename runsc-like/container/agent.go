package container

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/notify"
)

// agent is who decides about calls of the guest: linux.seccomp.listenerPath.
type agent struct {
	path, metadata string
	file           *os.File // for the agent
	device         *os.File // for the sentry
}

// openAgent prepares the agent of a configuration; nil if it has none.
func openAgent(s *specs.Spec) (*agent, error) {
	if s.Linux == nil || s.Linux.Seccomp == nil {
		return nil, nil
	}
	asked := false
	for _, c := range s.Linux.Seccomp.Syscalls {
		asked = asked || c.Action == specs.ActNotify
	}
	if !asked {
		return nil, nil
	}
	a := &agent{path: s.Linux.Seccomp.ListenerPath, metadata: s.Linux.Seccomp.ListenerMetadata}
	var err error
	if a.file, a.device, err = notify.Open(); err != nil {
		return nil, fieldf("linux.seccomp.listenerPath", "%v", err)
	}
	return a, nil
}

// tell hands the agent its file, and the container's state.
func (a *agent) tell(state specs.State) error {
	if a == nil {
		return nil
	}
	b, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: state.Pid, Metadata: a.metadata, State: state,
	})
	if err != nil {
		return err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: a.path, Net: "unix"})
	if err != nil {
		return fieldf("linux.seccomp.listenerPath", "%v", err)
	}
	defer conn.Close()
	n, _, err := conn.WriteMsgUnix(b, unix.UnixRights(int(a.file.Fd())), nil)
	if err == nil && n < len(b) {
		_, err = conn.Write(b[n:])
	}
	if err != nil {
		return fieldf("linux.seccomp.listenerPath", "%s: %v", a.path, err)
	}
	return nil
}

// close closes what others have now: the device first, for a file that nobody
// serves is closed at once.
func (a *agent) close() {
	if a == nil {
		return
	}
	a.device.Close()
	if err := a.file.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "hull: warning: linux.seccomp.listenerPath: %v\n", err)
	}
}
