package cmd

import "github.com/spf13/cobra"

func newDelete(g *globals) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "delete [flags] ID",
		Short: "Remove what is left of a container",
		Example: `  hull delete web
  hull delete --force web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE:              failing(1, func(_ *cobra.Command, args []string) error { return g.containers().Delete(args[0], force) }),
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "kill one that runs; it is no error if there is none")
	return c
}
