package cmd

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

// execFailed is runc's status for a process that could not be executed.
const execFailed = 255

func newExec(g *globals) *cobra.Command {
	var f container.ExecFlags
	var file string
	var cgroups []string
	var preserveFDs int
	o := container.ExecOptions{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	c := &cobra.Command{
		Use:   "exec [flags] ID CMD [ARG...]",
		Short: "Run another process in a container",
		Example: `  hull exec web ps
  hull exec -t web sh
  hull exec --user 33:33 --cwd /srv --env LANG=C web ls -l
  hull exec --process process.json --detach --pid-file p.pid web`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return fmt.Errorf("hull exec: ID is missing")
			case len(args) == 1 && file == "":
				return &exit{execFailed, fmt.Errorf("hull exec: CMD is missing")}
			}
			return nil
		},
		ValidArgsFunction: g.completeID,
		RunE: failing(execFailed, func(_ *cobra.Command, args []string) error {
			lean()
			f.Args = args[1:]
			var err error
			if o.Extra, err = preserved(firstFD, preserveFDs, false); err != nil {
				return err
			}
			p, warnings, err := g.containers().ExecProcess(args[0], file, &f)
			if err != nil {
				return err
			}
			g.warn(warnings)
			o.Process = *p
			status, err := g.containers().Exec(args[0], o)
			if err != nil {
				return fmt.Errorf("exec failed: %w", err)
			}
			if status != 0 {
				return &exit{status, nil}
			}
			return nil
		}),
	}
	fl := c.Flags()
	fl.SetInterspersed(false)
	fl.StringVarP(&file, "process", "p", "", "read the process from `FILE`, a process.json")
	fl.BoolVarP(&f.Terminal, "tty", "t", false, "give it a terminal")
	fl.StringVar(&o.ConsoleSocket, "console-socket", "", "send the terminal's master to the Unix socket `PATH`")
	fl.StringVar(&o.PidFile, "pid-file", "", "write the number of its process on the host to `FILE`")
	fl.BoolVarP(&o.Detach, "detach", "d", false, "return when it runs")
	fl.StringVarP(&f.User, "user", "u", "", "run as `UID[:GID]`")
	fl.StringVar(&f.Cwd, "cwd", "", "start in `DIR`")
	fl.StringArrayVarP(&f.Env, "env", "e", nil, "set `NAME=value` (repeatable)")
	fl.StringArrayVarP(&f.Caps, "cap", "c", nil, "give it a `CAPABILITY` more (repeatable)")
	fl.UintSliceVarP(&f.AdditionalGids, "additional-gids", "g", nil, "give it a group more (repeatable)")
	fl.BoolVar(&f.NoNewPrivs, "no-new-privs", false, "executing gives it no more privileges")
	fl.BoolVar(&o.IgnorePaused, "ignore-paused", false, "also when the container is paused")
	fl.IntVar(&preserveFDs, "preserve-fds", 0, "hand on `N` descriptors after the standard streams")
	fl.StringVar(&f.AppArmor, "apparmor", "", "its AppArmor `PROFILE`, which has to be the container's")
	fl.StringVar(&f.SELinux, "process-label", "", "its SELinux `LABEL`, which has to be the container's")
	fl.StringArrayVar(&cgroups, "cgroup", nil, "accepted; the process is in the container's cgroup")
	return c
}
