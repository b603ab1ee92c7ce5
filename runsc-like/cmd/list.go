package cmd

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newList(g *globals) *cobra.Command {
	var format string
	var quiet bool
	c := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the containers",
		Example: `  hull list
  hull list --format json
  hull list -q`,
		Args: exactly(),
		RunE: failing(1, func(c *cobra.Command, _ []string) error {
			all, err := g.containers().List()
			w := c.OutOrStdout()
			switch {
			case quiet:
				for _, s := range all {
					fmt.Fprintln(w, s.ID)
				}
			case format == "json":
				if all == nil {
					all = []*container.Status{}
				}
				for _, s := range all {
					s.Owner = s.OwnerName()
				}
				if perr := printJSON(w, all, ""); perr != nil {
					return perr
				}
			case format == "table":
				t := tabwriter.NewWriter(w, 12, 1, 3, ' ', 0)
				fmt.Fprint(t, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
				for _, s := range all {
					fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.PID, s.Status, s.Bundle,
						s.Created.Format(time.RFC3339Nano), s.OwnerName())
				}
				if perr := t.Flush(); perr != nil {
					return perr
				}
			default:
				return &container.FieldError{Field: "--format", Why: format + " is none of table, json"}
			}
			return err
		}),
	}
	c.Aliases = []string{"ls"}
	c.Flags().StringVarP(&format, "format", "f", "table", "table or json")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "only the names")
	return c
}
