package cmd

import (
	"hull/platform/ptrace"
	"hull/runsc-like/container"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// sentry is the sandbox process, inside its jail. As long as package boot waits
// for parts of the kernel it makes the platform, seals itself, and says so.
func sentry(cfg *control.Config) error {
	conn, err := control.NewConn(control.FDControl)
	if err != nil {
		return err
	}
	if _, err := ptrace.New(); err != nil {
		return err
	}
	if err := jail.Seal(jail.SentryRules(cfg.Platform), denied(cfg)); err != nil {
		return err
	}
	return conn.Send(control.Message{
		Kind: control.Failed, Code: container.StatusFailed, Text: "this build has no kernel in it yet",
	})
}
