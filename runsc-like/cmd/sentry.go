package cmd

import (
	"hull/runsc-like/boot"
	"hull/runsc-like/control"
)

// sentry is the sandbox process, inside its jail.
func sentry(cfg *control.Config) error {
	conn, err := control.NewConn(control.FDControl)
	if err != nil {
		return err
	}
	return boot.Run(cfg, conn)
}
