package cmd

import (
	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

func newDo(g *globals) *cobra.Command {
	var d container.Do
	var u container.UserNetwork
	c := &cobra.Command{
		Use:   "do [flags] [--] CMD [ARG...]",
		Short: "Run a command over the host's files, without letting it change them",
		Long: `do runs CMD in a sandbox whose root is the host's. It sees the host's files, but
what it writes is kept in memory and gone at the end; only what --rw and --volume
name is changed. It sees no process of the host. It reaches the network through a
process that makes its connections (--network=none for no network), and the host's
own services only with --allow-host.

Standard streams, terminal and exit status are as if CMD ran directly. When hull
itself fails the status is 125; 126 is a command that cannot be executed, 127 one
that is not there.`,
		Example: `  hull do -- bash
  hull do -- python3 -c 'print("hello")'
  hull do --rw . -- make
  hull do --root /srv/debian --volume ~/src:/src:ro --cwd /src -- ls -l
  hull do --allow-net '*.example.org:80' --allow-net example.org -- curl example.org
  hull do -p 8080:80 -- python3 -m http.server 80
  hull do --user nobody --env LANG=C -- id`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &container.FieldError{Field: "CMD", Why: "is missing: hull do -- CMD [ARG...]"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			d.Args = args
			s, writable, err := d.Spec()
			if err != nil {
				return err
			}
			return g.runDirectly(s, writable, u)
		},
	}
	fl := c.Flags()
	fl.SetInterspersed(false)
	fl.StringVar(&d.Root, "root", "", "use `DIR` as the root instead of /")
	fl.StringArrayVar(&d.Writable, "rw", nil, "let the command change host directory `DIR` (repeatable)")
	fl.StringArrayVar(&d.Volumes, "volume", nil, "show a host file or directory at another path: `SRC:DST[:ro]` (repeatable)")
	fl.StringVar(&d.Cwd, "cwd", "", "start in `DIR` of the guest instead of the current directory")
	fl.StringArrayVar(&d.Env, "env", nil, "set `NAME=value`, or take NAME over (repeatable)")
	fl.StringVar(&d.User, "user", "", "run as `USER[:GROUP]`, names or numbers")
	fl.StringVar(&d.Hostname, "hostname", "", "the guest's host `NAME`")
	addUser(c, &u)
	_ = c.MarkFlagDirname("root")
	_ = c.MarkFlagDirname("rw")
	return c
}
