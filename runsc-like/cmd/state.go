package cmd

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newState(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "state ID",
		Short:             "Print what a container is and does, as JSON",
		Example:           `  hull state web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE: failing(1, func(c *cobra.Command, args []string) error {
			s, err := g.containers().StateOf(args[0])
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), s, "  ")
		}),
	}
}

// printJSON writes v, on lines of their own if there is an indent.
func printJSON(w io.Writer, v any, indent string) error {
	var b []byte
	var err error
	if indent == "" {
		b, err = json.Marshal(v)
	} else {
		b, err = json.MarshalIndent(v, "", indent)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
