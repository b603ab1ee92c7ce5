package cmd

import (
	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newRun() *cobra.Command {
	var bundle string
	var f sandboxFlags
	c := &cobra.Command{
		Use:   "run [flags] --bundle DIR ID",
		Short: "Run an OCI bundle from start to end",
		Long: `run starts the container that DIR/config.json describes, waits until its process
has ended, and ends with its status. ID is the container's name.`,
		Example: `  hull run --bundle /srv/bundles/web web
  cd /srv/bundles/web && hull run web`,
		Args: exactly("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := container.CheckID(args[0]); err != nil {
				return err
			}
			s, err := container.LoadBundle(bundle)
			if err != nil {
				return err
			}
			return f.run(s, false)
		},
	}
	c.Flags().StringVarP(&bundle, "bundle", "b", ".", "the bundle's `DIR`")
	_ = c.MarkFlagDirname("bundle")
	f.add(c)
	return c
}
