package cmd

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// gofer is the file server, inside its jail.
func gofer(cfg *control.Config) error {
	for i, r := range cfg.Roots {
		_, err := unix.Open(jail.RootPath(i), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open root %s: %w", r.Path, err)
		}
	}
	if err := jail.Seal(jail.GoferRules(), denied(cfg)); err != nil {
		return err
	}
	// The server comes with package gofer/server; until then the gofer lives
	// as long as the other end of its socket.
	b := make([]byte, 1)
	for {
		n, _, _, _, err := unix.Recvmsg(control.FDGofer, b, nil, 0)
		if err != unix.EINTR && n <= 0 {
			return nil
		}
	}
}
