package cmd

import (
	"time"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newEvents(g *globals) *cobra.Command {
	var once bool
	var interval time.Duration
	c := &cobra.Command{
		Use:   "events [flags] ID",
		Short: "Print what a container uses, as lines of JSON",
		Example: `  hull events --stats web
  hull events --interval 1s web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE: failing(1, func(c *cobra.Command, args []string) error {
			w := c.OutOrStdout()
			if once {
				e, err := g.containers().Stats(args[0])
				if err != nil {
					return err
				}
				return printJSON(w, e, "")
			}
			if interval <= 0 {
				return &container.FieldError{Field: "--interval", Why: "duration interval must be greater than 0"}
			}
			return g.containers().Events(c.Context(), args[0], interval, func(e *container.Event) error { return printJSON(w, e, "") })
		}),
	}
	c.Flags().BoolVar(&once, "stats", false, "print it once, and end")
	c.Flags().DurationVar(&interval, "interval", 5*time.Second, "how often it is printed")
	return c
}
