package cmd

import (
	"github.com/spf13/cobra"

	"hull/runsc-like/jail"
)

func newDebug(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "debug",
		Short: "Look into hull itself",
	}
	c.AddCommand(newDebugSeccomp(g))
	return c
}

func newDebugSeccomp(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "seccomp",
		Short: "Print what the sentry, the gofer and helpers may ask of the host, and why",
		Example: `  hull debug seccomp
  hull debug seccomp --platform ptrace | grep mmap`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := jail.Format(c.OutOrStdout(), "sentry, platform "+g.platform, jail.SentryRules(g.platform)); err != nil {
				return err
			}
			if err := jail.Format(c.OutOrStdout(), "sentry, with --network=host besides", jail.HostNetworkRules()); err != nil {
				return err
			}
			if err := jail.Format(c.OutOrStdout(), "gofer", jail.GoferRules()); err != nil {
				return err
			}
			if err := jail.Format(c.OutOrStdout(), "network proxy", jail.ProxyRules()); err != nil {
				return err
			}
			return jail.Format(c.OutOrStdout(), "helper of a seccomp agent", jail.AgentRules(agentProc))
		},
	}
}
