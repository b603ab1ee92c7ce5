package cmd

import (
	"github.com/spf13/cobra"

	"hull/runsc-like/container"
	"hull/runsc-like/jail"
)

func newDebug() *cobra.Command {
	c := &cobra.Command{
		Use:   "debug",
		Short: "Look into hull itself",
	}
	c.AddCommand(newDebugSeccomp())
	return c
}

func newDebugSeccomp() *cobra.Command {
	var platform string
	c := &cobra.Command{
		Use:   "seccomp",
		Short: "Print what the sentry and the gofer may ask of the host, and why",
		Example: `  hull debug seccomp
  hull debug seccomp --platform ptrace | grep mmap`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			rules := jail.SentryRules(platform)
			if rules == nil {
				return &container.FieldError{Field: "--platform", Why: platform + " is none of " + list(jail.Platforms())}
			}
			if err := jail.Format(c.OutOrStdout(), "sentry, platform "+platform, rules); err != nil {
				return err
			}
			return jail.Format(c.OutOrStdout(), "gofer", jail.GoferRules())
		},
	}
	c.Flags().StringVar(&platform, "platform", jail.Platforms()[0], "one of "+list(jail.Platforms()))
	return c
}
