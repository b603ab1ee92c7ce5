package cmd

import (
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hull/runsc-like/container"
	"hull/runsc-like/jail"
)

// sandboxFlags are those of every command that makes a sandbox.
type sandboxFlags struct {
	platform   string
	strace     bool
	log        string
	trapDenied bool
}

func (f *sandboxFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.platform, "platform", jail.Platforms()[0], "how guest code is run: "+list(jail.Platforms()))
	fl.BoolVar(&f.strace, "strace", false, "print the guest's system calls on standard error")
	fl.StringVar(&f.log, "log", "", "append hull's own log to `FILE`")
	fl.BoolVar(&f.trapDenied, "trap-denied", false,
		"let a host call that the seccomp filter denies crash with a trace (to find a missing rule)")
	_ = c.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions(jail.Platforms(), cobra.ShellCompDirectiveNoFileComp))
}

func list(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

// run runs s with the caller's streams.
func (f *sandboxFlags) run(s *specs.Spec, overlay bool) error {
	if jail.SentryRules(f.platform) == nil {
		return &container.FieldError{Field: "--platform", Why: f.platform + " is none of " + list(jail.Platforms())}
	}
	lean()
	var logs []io.Writer
	if f.strace || f.trapDenied {
		logs = append(logs, os.Stderr)
	}
	if f.log != "" {
		file, err := os.OpenFile(f.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return &container.FieldError{Field: "--log", Why: err.Error()}
		}
		defer file.Close()
		logs = append(logs, file)
	}
	umask := unix.Umask(0)
	unix.Umask(umask)
	status, err := container.Run(container.Options{
		Spec: s, Overlay: overlay, Platform: f.platform, Strace: f.strace, TrapDenied: f.trapDenied,
		Umask: uint32(umask), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Log: io.MultiWriter(logs...),
	})
	if err != nil || status != 0 {
		return &exit{status, err}
	}
	return nil
}
