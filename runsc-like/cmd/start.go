package cmd

import "github.com/spf13/cobra"

func newStart(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "start ID",
		Short:             "Start the process of a container that was created",
		Example:           `  hull start web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE:              failing(1, func(_ *cobra.Command, args []string) error { return g.containers().Start(args[0]) }),
	}
}

// completeID completes the name of a container.
func (g *globals) completeID(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := g.containers().List()
	if err != nil && all == nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
