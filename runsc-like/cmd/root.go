// Package cmd is the command line: one command a file, each adding flags to one
// call of a library. It knows cobra; nothing below it does.
package cmd

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

// exit is how a command ends with a status other than 0 and 1; the error, if
// any, is printed.
type exit struct {
	status int
	err    error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

// Unwrap returns the error.
func (e *exit) Unwrap() error { return e.err }

// Main runs the command line args and returns the exit status.
func Main(args []string) int {
	// The roles of a sandbox's processes: exactly one word, in an environment
	// without anything, as jail.Birth executes them.
	if len(args) == 1 && len(os.Environ()) == 0 {
		if role, ok := roles()[args[0]]; ok {
			return role()
		}
	}
	g := &globals{}
	root := newRoot(g, args)
	root.SetArgs(args)
	c, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	var e *exit
	status := 1 // as runc has it
	if c.Name() == "do" {
		status = container.StatusFailed
	}
	if errors.As(err, &e) {
		if status = e.status; e.err == nil {
			return status
		}
	}
	g.report(err)
	fmt.Fprintf(os.Stderr, "hull: %v\n", err)
	return status
}

// newRoot returns the command for args. Of what it does only those commands are made
// whose names are among args: making all takes longer than what most of them do.
func newRoot(g *globals, args []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "hull",
		Short: "Run untrusted programs over a kernel of their own",
		Long: `hull runs Linux programs without letting them talk to the host's kernel: an
application kernel, written in Go and locked into a jail, serves their system
calls. No virtual machine and no privilege is needed.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := g.check(); err != nil {
				return err
			}
			return g.makeLog()
		},
		Version: revision(),
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noTopic(args[0])
			}
			return c.Help()
		},
	}
	c.SetHelpCommand(newHelp(c))
	c.SetVersionTemplate(versionText())
	g.add(c)
	list := commands(g)
	for _, a := range args {
		if add := list[a]; add != nil {
			c.AddCommand(add())
			c.CompletionOptions.DisableDefaultCmd = true
			delete(list, a)
		}
	}
	// Who wants help, or what is not there, is shown all there is; ls is another name of
	// one, and may be anything else.
	all := func(a string) bool {
		return slices.Contains([]string{"help", "-h", "--help", "ls"}, a) || strings.HasPrefix(a, "__complete")
	}
	if !c.HasSubCommands() || slices.ContainsFunc(args, all) {
		c.CompletionOptions.DisableDefaultCmd = false
		for _, name := range slices.Sorted(maps.Keys(list)) {
			c.AddCommand(list[name]())
		}
	}
	return c
}

// newHelp returns the command that shows the others' help.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does and its flags",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			for _, c := range root.Commands() {
				names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return noTopic(args[0])
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

// noTopic is what is said of a command that there is none of, in runc's words and
// with its status.
func noTopic(name string) error {
	return &exit{3, fmt.Errorf("No help topic for '%s'", name)} //lint:ignore ST1005 callers know it so
}

// commands are what makes each command, by its name.
func commands(g *globals) map[string]func() *cobra.Command {
	with := func(f func(*globals) *cobra.Command) func() *cobra.Command {
		return func() *cobra.Command { return f(g) }
	}
	return map[string]func() *cobra.Command{
		"do": with(newDo), "run": with(newRun), "create": with(newCreate), "start": with(newStart), "state": with(newState),
		"kill": with(newKill), "delete": with(newDelete), "exec": with(newExec), "ps": with(newPs), "list": with(newList),
		"port-forward": with(newPortForward), "pause": with(newPause), "resume": with(newResume), "update": with(newUpdate),
		"events": with(newEvents), "debug": with(newDebug), "checkpoint": newCheckpoint, "restore": newRestore, "version": newVersion,
		"spec": newSpec, "features": newFeatures, "install": newInstall, "uninstall": newUninstall,
	}
}

// failing makes the errors of a command end with status, as runc has it.
func failing(status int, f func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		err := f(c, args)
		var e *exit
		if err == nil || errors.As(err, &e) {
			return err
		}
		return &exit{status, err}
	}
}

// exactly is cobra.ExactArgs with an error that names what is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s: %s is missing", c.CommandPath(), names[len(args)])
		}
		if len(args) > len(names) {
			return fmt.Errorf("%s: too many arguments: %q", c.CommandPath(), args[len(names):])
		}
		return nil
	}
}
