package cmd

import "github.com/spf13/cobra"

func newCreate(g *globals) *cobra.Command {
	var f createFlags
	c := &cobra.Command{
		Use:     "create [flags] --bundle DIR ID",
		Short:   "Create a container, whose process start will start",
		Example: `  hull create --bundle /srv/bundles/web --pid-file web.pid web`,
		Args:    exactly("ID"),
		RunE: failing(1, func(_ *cobra.Command, args []string) error {
			o, err := f.options(g, args[0])
			if err != nil {
				return err
			}
			return g.containers().Create(o)
		}),
	}
	f.add(c)
	return c
}
