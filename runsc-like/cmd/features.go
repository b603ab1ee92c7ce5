package cmd

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newFeatures() *cobra.Command {
	return &cobra.Command{
		Use:   "features",
		Short: "Say what of the OCI specification is there",
		Long: `features prints JSON as features.md of the OCI runtime specification describes it:
the versions, mount options, capabilities and so on that a config.json may use.`,
		Example: `  hull features | jq .linux.cgroup`,
		Args:    exactly(),
		RunE: failing(1, func(c *cobra.Command, _ []string) error {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "    ")
			return e.Encode(container.Features(release, revision()))
		}),
	}
}
