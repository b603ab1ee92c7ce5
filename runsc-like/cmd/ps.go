package cmd

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newPs(g *globals) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "ps [flags] ID",
		Short: "List the processes of a container",
		Long: `ps lists the guest's processes, with the guest's numbers. --format json lists the
numbers of the host's processes that run their code, which bear the guest's names.`,
		Example: `  hull ps web
  hull ps --format json web`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: g.completeID,
		RunE: failing(1, func(c *cobra.Command, args []string) error {
			w := c.OutOrStdout()
			for _, o := range args[1:] {
				if strings.Trim(o, "-ef") != "" {
					return &container.FieldError{Field: o, Why: "of ps(1)'s options only those of its full list, -ef, are there"}
				}
			}
			switch format {
			case "json":
				pids, err := g.containers().HostProcesses(args[0])
				if err != nil {
					return err
				}
				return printJSON(w, pids, "")
			case "table":
			default:
				return &container.FieldError{Field: "--format", Why: format + " is none of table, json"}
			}
			all, err := g.containers().Processes(args[0])
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(w, 4, 1, 2, ' ', 0)
			fmt.Fprint(t, "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD\n")
			for _, p := range all {
				used := int(p.Seconds)
				fmt.Fprintf(t, "%d\t%d\t%d\t0\t%s\t%s\t%02d:%02d:%02d\t%s\n", p.UID, p.PID, p.PPID,
					time.Unix(p.Started, 0).Format("15:04"), p.TTY, used/3600, used/60%60, used%60, p.Command)
			}
			return t.Flush()
		}),
	}
	c.Flags().SetInterspersed(false) // what comes after the name is ps(1)'s
	c.Flags().StringVarP(&format, "format", "f", "table", "table or json")
	return c
}
