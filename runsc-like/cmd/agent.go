package cmd

import (
	"hull/runsc-like/agent"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// agentHelper is the process that serves the listener of a seccomp agent, inside its
// jail.
func agentHelper(cfg *control.Role) (int, error) {
	line, err := agent.NewLine(control.FDLink)
	if err != nil {
		return 0, err
	}
	const device, owner = control.ProxyFDs, control.ProxyFDs + 1
	if err := jail.Seal(jail.AgentRules(), denied(cfg)); err != nil {
		return 0, err
	}
	return 0, agent.Serve(device, line, owner)
}
