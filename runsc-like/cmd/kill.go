package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hull/runsc-like/container"
)

func newKill(g *globals) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "kill [flags] ID [SIGNAL]",
		Short: "Send a signal to a container's first process",
		Example: `  hull kill web
  hull kill web KILL
  hull kill --all web SIGHUP
  hull kill web 10`,
		ValidArgsFunction: g.completeID,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("hull kill: wants ID [SIGNAL], not %q", args)
			}
			return nil
		},
		RunE: failing(1, func(_ *cobra.Command, args []string) error {
			signo := unix.SIGTERM
			if len(args) == 2 && args[1] != "" {
				var err error
				if signo, err = container.ParseSignal(args[1]); err != nil {
					return err
				}
			}
			return g.containers().Kill(args[0], signo, all)
		}),
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "send it to all processes of the container")
	return c
}
