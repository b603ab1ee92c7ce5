package cmd

import "github.com/spf13/cobra"

func newPause(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "pause ID",
		Short:             "Stop all processes of a container where they are",
		Example:           `  hull pause web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE:              failing(1, func(_ *cobra.Command, args []string) error { return g.containers().Pause(args[0]) }),
	}
}

func newResume(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "resume ID",
		Short:             "Let the processes of a container that is paused go on",
		Example:           `  hull resume web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE:              failing(1, func(_ *cobra.Command, args []string) error { return g.containers().Resume(args[0]) }),
	}
}
