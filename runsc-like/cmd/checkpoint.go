package cmd

import (
	"errors"

	"github.com/spf13/cobra"
)

// unsupported is a command that callers of other runtimes may use, and that is
// refused with any flags.
func unsupported(use, short, why string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, DisableFlagParsing: true,
		RunE: failing(1, func(*cobra.Command, []string) error { return errors.New(why) }),
	}
}

func newCheckpoint() *cobra.Command {
	return unsupported("checkpoint ID", "Not yet: save a container's state", "hull cannot checkpoint a container yet")
}

func newRestore() *cobra.Command {
	return unsupported("restore ID", "Not yet: go on from a saved state", "hull cannot restore a container yet")
}
