package cmd

import (
	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newSpec() *cobra.Command {
	var bundle string
	var rootless bool
	c := &cobra.Command{
		Use:   "spec [flags]",
		Short: "Write a config.json to begin with",
		Long: `spec writes a config.json that runs sh in the directory rootfs beside it. What
else a bundle needs is to be edited into it.`,
		Example: `  mkdir -p web/rootfs && docker export $(docker create nginx) | tar -C web/rootfs -xf -
  hull spec --bundle web
  hull run --bundle web web`,
		Args: exactly(),
		RunE: failing(1, func(*cobra.Command, []string) error { return container.WriteTemplate(bundle, rootless) }),
	}
	c.Flags().StringVarP(&bundle, "bundle", "b", ".", "the bundle's `DIR`")
	c.Flags().BoolVar(&rootless, "rootless", false, "for a container without root's privileges")
	_ = c.MarkFlagDirname("bundle")
	return c
}
