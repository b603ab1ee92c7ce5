package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  hull version`,
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), versionText())
			return err
		},
	}
}

// revision is the commit that this was built from.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// versionText is laid out as runc's, which callers read line by line.
func versionText() string {
	return fmt.Sprintf("hull version %s\ncommit: %s\nspec: %s\ngo: %s\n", release, revision(), specs.Version, runtime.Version())
}

// release is the version of hull.
const release = "0.2.0"
