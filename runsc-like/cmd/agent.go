package cmd

import (
	"hull/runsc-like/agent"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// The descriptors of the helper of a seccomp agent, see agent.Serve.
const (
	agentDevice = control.ProxyFDs + iota
	agentOwner
	agentProc
)

// agentHelper is the process that serves the listener of a seccomp agent, inside its
// jail.
func agentHelper(cfg *control.Role) (int, error) {
	line, err := agent.NewLine(control.FDLink)
	if err != nil {
		return 0, err
	}
	if err := jail.Seal(jail.AgentRules(agentProc), denied(cfg)); err != nil {
		return 0, err
	}
	return 0, agent.Serve(agentDevice, line, agentOwner, agentProc)
}
