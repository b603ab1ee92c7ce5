package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"hull/runsc-like/install"
)

// installFlags are those of install and uninstall.
type installFlags struct {
	name, binary string
	def, dryRun  bool
	class        bool
	set          func(flag string) bool
	chosen       map[install.Manager]*bool
	files        map[install.Manager]*string
}

func newInstall() *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:   "install [flags]",
		Short: "Make docker, containerd, podman and CRI-O know hull",
		Long: `install adds hull as a runtime to the configuration of the container managers that
the host has, or of those that flags name. What their files say otherwise stays
as it is. It restarts nothing, and says what is to be.`,
		Example: `  hull install --dry-run
  hull install && systemctl reload docker && docker run --runtime=hull --rm alpine uname -a
  hull install --containerd --binary /usr/local/bin/hull
  hull install --runtime-class | kubectl apply -f -`,
		Args: exactly(),
		RunE: failing(1, func(c *cobra.Command, _ []string) error {
			if f.class {
				_, err := fmt.Fprint(c.OutOrStdout(), install.RuntimeClass(f.name))
				return err
			}
			return f.run(c.OutOrStdout(), install.Install)
		}),
	}
	f.add(c)
	c.Flags().StringVar(&f.binary, "binary", "", "the `PATH` of the program that is the runtime; this one if it is not given")
	c.Flags().BoolVar(&f.def, "default", false, "make it the runtime of containers that ask for none")
	c.Flags().BoolVar(&f.class, "runtime-class", false, "print a RuntimeClass for Kubernetes, and a pod that uses it, and do nothing else")
	_ = c.MarkFlagFilename("binary")
	return c
}

func newUninstall() *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:     "uninstall [flags]",
		Short:   "Undo install",
		Long:    `uninstall takes out of the managers' configuration what install wrote there.`,
		Example: `  hull uninstall --dry-run`,
		Args:    exactly(),
		RunE: failing(1, func(c *cobra.Command, _ []string) error {
			return f.run(c.OutOrStdout(), install.Uninstall)
		}),
	}
	f.add(c)
	return c
}

func (f *installFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.name, "name", "hull", "what the managers call the runtime")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	f.chosen, f.files = map[install.Manager]*bool{}, map[install.Manager]*string{}
	defaults := defaultFiles(f.name)
	f.set = fl.Changed
	for _, m := range install.Managers() {
		f.chosen[m] = fl.Bool(string(m), false, "only for "+string(m)+", and those that other flags name")
		f.files[m] = fl.String(string(m)+"-config", defaults[m], "the configuration `FILE` of "+string(m))
	}
}

func defaultFiles(name string) map[install.Manager]string {
	home, _ := os.UserHomeDir()
	return install.DefaultFiles(os.Geteuid(), home, name)
}

// selected are the files of the managers that flags name, or that are there.
func (f *installFlags) selected() map[install.Manager]string {
	named := map[install.Manager]string{}
	found := map[install.Manager]string{}
	defaults := defaultFiles(f.name)
	for m, file := range f.files {
		if !f.set(string(m) + "-config") {
			*file = defaults[m]
		}
		if *f.chosen[m] {
			named[m] = *file
		}
		if *file != "" && install.Present(m) {
			found[m] = *file
		}
	}
	if len(named) > 0 {
		return named
	}
	return found
}

func (f *installFlags) run(w io.Writer, plan func(install.Options) ([]install.Change, error)) error {
	o := install.Options{Name: f.name, Binary: f.binary, Default: f.def, Files: f.selected()}
	for m, file := range o.Files {
		if file == "" {
			return fmt.Errorf("--%s-config: is missing", m)
		}
	}
	if len(o.Files) == 0 {
		return fmt.Errorf("none of %s is on this host: name one by its flag", managerNames())
	}
	if o.Binary == "" {
		self, err := os.Executable()
		if err == nil {
			self, err = filepath.EvalSymlinks(self)
		}
		if err != nil {
			return err
		}
		o.Binary = self
	}
	changes, err := plan(o)
	if err != nil {
		return err
	}
	if f.dryRun {
		for i := range changes {
			fmt.Fprint(w, changes[i].Diff())
		}
		return nil
	}
	if err := install.Apply(changes); err != nil {
		return err
	}
	for i := range changes {
		c := &changes[i]
		if !c.Changed() {
			fmt.Fprintf(w, "%s: %s is as it should be\n", c.Manager, c.File)
			continue
		}
		fmt.Fprintf(w, "%s: changed %s; now: %s\n", c.Manager, c.File, c.Reload)
		for _, n := range c.Notes {
			fmt.Fprintf(w, "%s: note: %s\n", c.Manager, n)
		}
	}
	return nil
}

func managerNames() string {
	var names []string
	for _, m := range install.Managers() {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}
