package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hull/runsc-like/container"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// globals are the flags that stand before a command's name: runc's, and those of
// every command that makes a sandbox.
type globals struct {
	root      string
	log       string
	logFormat string
	debug     bool
	systemd   bool
	rootless  string
	criu      string

	platform   string
	network    string
	pcap       string
	strace     bool
	trapDenied bool
}

func (g *globals) add(c *cobra.Command) {
	fl := c.PersistentFlags()
	fl.StringVar(&g.root, "root", container.DefaultRoot(), "keep the containers' state under `DIR`")
	fl.StringVar(&g.log, "log", "", "append hull's own log to `FILE`")
	fl.StringVar(&g.logFormat, "log-format", "text", "of the log: text or json")
	fl.BoolVar(&g.debug, "debug", false, "log more")
	fl.BoolVar(&g.systemd, "systemd-cgroup", false, "let systemd make cgroups; cgroupsPath is slice:prefix:name then")
	fl.StringVar(&g.rootless, "rootless", "auto", "ignore errors of cgroups: true, false or auto")
	fl.StringVar(&g.criu, "criu", "", "accepted for other runtimes' callers; not used")
	fl.StringVar(&g.platform, "platform", jail.Platforms()[0], "how guest code is run: "+list(jail.Platforms()))
	fl.StringVar(&g.network, "network", "",
		"the guest's network: sandbox (the interfaces of the container's namespace; what containers have), none, user\n"+
			"(a process makes its connections; what do has), or host (for measuring: its sockets are the host's, with less isolation)")
	fl.StringVar(&g.pcap, "pcap", "", "write the packets of the guest's interfaces to `FILE`")
	fl.BoolVar(&g.strace, "strace", false, "print the guest's system calls on hull's log, or on standard error")
	fl.BoolVar(&g.trapDenied, "trap-denied", false,
		"let a host call that the seccomp filter denies crash with a trace (to find a missing rule)")
	_ = c.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions(jail.Platforms(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("network", cobra.FixedCompletions(control.NetworkModes(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("rootless", cobra.FixedCompletions([]string{"true", "false", "auto"}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses values that are none.
func (g *globals) check() error {
	if g.pcap != "" {
		abs, err := filepath.Abs(g.pcap)
		if err != nil {
			return &container.FieldError{Field: "--pcap", Why: err.Error()}
		}
		g.pcap = abs
	}
	switch {
	case jail.SentryRules(g.platform) == nil:
		return &container.FieldError{Field: "--platform", Why: g.platform + " is none of " + list(jail.Platforms())}
	case g.network == control.NetworkHost && g.pcap != "":
		return &container.FieldError{Field: "--pcap", Why: "what passes the host's interfaces is not the guest's alone (--network=host): tcpdump on the host shows it"}
	case g.network != "" && !slices.Contains(control.NetworkModes(), g.network):
		return &container.FieldError{Field: "--network", Why: g.network + " is none of " + list(control.NetworkModes())}
	case g.logFormat != "text" && g.logFormat != "json":
		return &container.FieldError{Field: "--log-format", Why: g.logFormat + " is none of text, json"}
	case g.rootless != "auto" && g.rootless != "true" && g.rootless != "false":
		return &container.FieldError{Field: "--rootless", Why: g.rootless + " is none of true, false, auto"}
	}
	return nil
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

// isRootless reports whether what the host refuses a user is no error.
func (g *globals) isRootless() bool {
	return g.rootless == "true" || g.rootless == "auto" && container.Rootless()
}

// containers is where they are.
func (g *globals) containers() container.Root { return container.Root{Dir: g.root} }

// openLog opens the log file; nil if there is none.
func (g *globals) openLog() (*os.File, error) {
	if g.log == "" {
		return nil, nil
	}
	f, err := os.OpenFile(g.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, &container.FieldError{Field: "--log", Why: err.Error()}
	}
	return f, nil
}

// makeLog makes the log file: it is there also if nothing is written to it.
func (g *globals) makeLog() error {
	f, err := g.openLog()
	if f == nil {
		return err
	}
	return f.Close()
}

// report writes an error to the log file.
func (g *globals) report(err error) { g.logLines("error", err.Error()) }

// warn writes warnings to the log file, and with --debug on standard error.
func (g *globals) warn(lines []string) {
	g.logLines("warning", lines...)
	if g.debug {
		for _, l := range lines {
			fmt.Fprintf(os.Stderr, "hull: warning: %s\n", l)
		}
	}
}

// logLines writes to the log file, in the form that callers of runc read it from
// there.
func (g *globals) logLines(level string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	f, err := g.openLog()
	if err != nil || f == nil {
		return
	}
	defer f.Close()
	now := time.Now().Format(time.RFC3339)
	for _, l := range lines {
		if g.logFormat == "json" {
			b, _ := json.Marshal(map[string]string{"level": level, "msg": l, "time": now})
			fmt.Fprintf(f, "%s\n", b)
			continue
		}
		fmt.Fprintf(f, "time=%q level=%s msg=%q\n", now, level, l)
	}
}

// options are what every sandbox that is made for the caller's streams has.
func (g *globals) options(s *specs.Spec) container.Options {
	return container.Options{
		Spec: s, Pcap: g.pcap, Platform: g.platform, Network: cmp.Or(g.network, control.NetworkSandbox), Strace: g.strace, TrapDenied: g.trapDenied,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

// runDirectly runs s over the host's files in place of this process. What is written
// to the root is dropped, unless it is writable.
func (g *globals) runDirectly(s *specs.Spec, writable bool, u container.UserNetwork) error {
	lean()
	var logs []io.Writer
	if g.strace || g.trapDenied {
		logs = append(logs, os.Stderr)
	}
	file, err := g.openLog()
	if err != nil {
		return err
	}
	if file != nil {
		defer file.Close()
		logs = append(logs, file)
	}
	g.warn(g.networkWarnings())
	o := g.options(s)
	o.Direct, o.Overlay, o.Umask, o.Log = true, !writable, currentUmask(), io.MultiWriter(logs...)
	o.Network, o.User, o.Told = cmp.Or(g.network, control.NetworkUser), u, os.Stderr
	if err := checkUser(o.Network, &u); err != nil {
		return err
	}
	status, err := container.Run(o)
	if err != nil || status != 0 {
		return &exit{status, err}
	}
	return nil
}

// networkWarnings say what the network that was asked for gives up.
func (g *globals) networkWarnings() []string {
	if g.network == control.NetworkHost {
		return []string{container.HostNetworkWarning}
	}
	return nil
}

func currentUmask() uint32 {
	umask := unix.Umask(0)
	unix.Umask(umask)
	return uint32(umask)
}
