package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

// createFlags are those of create and run.
type createFlags struct {
	bundle, consoleSocket, pidFile string
	noPivot, noNewKeyring          bool
	preserveFDs                    int
	user                           container.UserNetwork
}

func (f *createFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVarP(&f.bundle, "bundle", "b", ".", "the bundle's `DIR`")
	fl.StringVar(&f.consoleSocket, "console-socket", "", "send the terminal's master to the Unix socket `PATH`")
	fl.StringVar(&f.pidFile, "pid-file", "", "write the number of the container's process to `FILE`")
	fl.IntVar(&f.preserveFDs, "preserve-fds", 0, "hand on `N` descriptors after the standard streams")
	fl.BoolVar(&f.noPivot, "no-pivot", false, "accepted; hull's guests are not in a root of the host")
	fl.BoolVar(&f.noNewKeyring, "no-new-keyring", false, "accepted; guests have no keys of the host")
	addUser(c, &f.user)
	_ = c.MarkFlagDirname("bundle")
}

// options reads the bundle.
func (f *createFlags) options(g *globals, id string) (container.CreateOptions, error) {
	o := container.CreateOptions{ID: id, Bundle: f.bundle, ConsoleSocket: f.consoleSocket, PidFile: f.pidFile}
	if err := container.CheckID(id); err != nil {
		return o, err
	}
	sockets := activated()
	extra, err := preserved(firstFD, sockets+f.preserveFDs, true)
	if err != nil {
		return o, err
	}
	s, warnings, err := container.LoadBundle(f.bundle)
	if err != nil {
		return o, err
	}
	g.warn(append(warnings, g.networkWarnings()...))
	if sockets > 0 {
		s.Process.Env = append(s.Process.Env, fmt.Sprintf("LISTEN_FDS=%d", sockets), "LISTEN_PID=1")
	}
	o.Options = g.options(s)
	o.Extra = extra
	o.User = f.user
	if err := checkUser(o.Network, &o.User); err != nil {
		return o, err
	}
	o.Umask, o.SystemdCgroup, o.Rootless = container.DefaultUmask, g.systemd, g.isRootless()
	return o, nil
}

func newRun(g *globals) *cobra.Command {
	var f createFlags
	var ro container.RunOptions
	c := &cobra.Command{
		Use:   "run [flags] --bundle DIR ID",
		Short: "Run an OCI bundle from start to end",
		Long: `run creates the container that DIR/config.json describes, starts it, waits until
its process has ended, deletes it, and ends with its status. ID is its name.`,
		Example: `  hull run --bundle /srv/bundles/web web
  cd /srv/bundles/web && hull run web
  hull run --detach --pid-file web.pid --bundle /srv/bundles/web web`,
		Args: exactly("ID"),
		RunE: failing(1, func(_ *cobra.Command, args []string) error {
			lean()
			o, err := f.options(g, args[0])
			if err != nil {
				return err
			}
			status, err := g.containers().Run(o, ro)
			if err == nil && status != 0 {
				return &exit{status, nil}
			}
			return err
		}),
	}
	f.add(c)
	c.Flags().BoolVarP(&ro.Detach, "detach", "d", false, "return when the process runs")
	c.Flags().Bool("no-subreaper", false, "accepted; hull reaps only what it started")
	c.Flags().BoolVar(&ro.Keep, "keep", false, "do not delete the container at the end")
	return c
}
