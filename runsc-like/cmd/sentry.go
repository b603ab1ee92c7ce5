package cmd

import (
	"hull/runsc-like/boot"
	"hull/runsc-like/control"
)

// sentry is the sandbox process, inside its jail.
func sentry(cfg *control.Config) (int, error) {
	conn, err := control.NewConn(control.FDControl)
	if err != nil {
		return 0, err
	}
	return boot.Run(cfg, conn)
}
