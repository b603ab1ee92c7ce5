package cmd

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"

	"hull/runsc-like/container"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// roles are what the binary does as a process of a sandbox, in which it is locked in
// already: see jail.Birth.
func roles() map[string]func() int {
	return map[string]func() int{
		"sentry":   func() int { return inside(readSentry, sentry) },
		"gofer":    func() int { return inside(control.ReadRole, resting(gofer)) },
		"netproxy": func() int { return inside(control.ReadRole, resting(proxy)) },
		"dnsrelay": func() int { return inside(control.ReadRole, resting(relay)) },
		"agent":    func() int { return inside(control.ReadRole, resting(agentHelper)) },

		container.MonitorRole: monitor,
		container.HolderRole:  container.Hold,
		container.WatchRole:   watchNetwork,
	}
}

// resting is a role that mostly waits, from its start on.
func resting(role func(*control.Role) (int, error)) func(*control.Role) (int, error) {
	return func(cfg *control.Role) (int, error) {
		lean()
		return role(cfg)
	}
}

// await waits until the creator lets the process go on. One that dies before it does
// leaves nothing behind; one that failed has said why.
func await() {
	if n, _ := unix.Read(control.FDControl, make([]byte, control.MaxMessage)); n <= 0 {
		os.Exit(container.StatusFailed)
	}
}

// monitor stands for a process of a container.
func monitor() int {
	lean()
	return container.Monitor()
}

// watchNetwork tells a sandbox of what changes in its container's network.
func watchNetwork() int {
	deafen()
	runtime.GOMAXPROCS(1)
	lean()
	return container.Watch()
}

// fatal writes the line that the launcher shows.
func fatal(err error) int {
	fmt.Fprintf(os.Stderr, "%s%v\n", container.FatalPrefix, err)
	return container.StatusFailed
}

// inside reads the configuration and runs the role, once the process is what it
// has to be for that.
func inside[C interface{ Base() *control.Role }](read func(*os.File) (C, error), role func(C) (int, error)) int {
	deafen() // before there are processes of its own, which ignore what it does
	f := os.NewFile(control.FDConfig, "config")
	cfg, err := read(f)
	if err != nil {
		return fatal(err)
	}
	if err := f.Close(); err != nil {
		return fatal(err)
	}
	if !cfg.Base().Detached {
		// Set again: an execution may have cleared it.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return fatal(fmt.Errorf("PR_SET_PDEATHSIG: %w", err))
		}
	}
	// Else Go looks for changes of the number of processors by itself.
	runtime.GOMAXPROCS(cfg.Base().CPUs)
	status, err := role(cfg)
	if err != nil {
		return fatal(err)
	}
	return status
}

// deafen makes the process ignore the signals that the caller's terminal sends
// to its process group (the guest hears of them through the control socket),
// and those that have no meaning inside. SIGTTIN and SIGTTOU ignored mean
// that the terminal answers EIO to a sandbox in the background.
func deafen() {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
		unix.SIGWINCH, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGVTALRM, unix.SIGPIPE, unix.SIGIO, unix.SIGPWR,
		unix.SIGXCPU, unix.SIGXFSZ)
}

// denied says what becomes of a denied host call.
func denied(cfg *control.Role) jail.Denied {
	if cfg.TrapDenied {
		return jail.Trap
	}
	return jail.Kill
}
