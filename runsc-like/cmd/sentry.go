package cmd

import (
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// sentry is the sandbox process, inside its jail.
func sentry(cfg *control.Config) error {
	conn, err := control.NewConn(control.FDControl)
	if err != nil {
		return err
	}
	denied := jail.Kill
	if cfg.TrapDenied {
		denied = jail.Trap
	}
	if err := jail.Seal(jail.SentryRules(cfg.Platform), denied); err != nil {
		return err
	}
	return conn.Send(control.Message{Kind: control.Exited, Code: 42})
}
