package cmd

import (
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// gofer is the file server, inside its jail.
func gofer(cfg *control.Config) error {
	denied := jail.Kill
	if cfg.TrapDenied {
		denied = jail.Trap
	}
	if err := jail.Seal(jail.GoferRules(), denied); err != nil {
		return err
	}
	b := make([]byte, 1)
	for {
		n, _, _, _, err := unix.Recvmsg(control.FDGofer, b, nil, 0)
		if err != unix.EINTR && n <= 0 {
			return nil
		}
	}
}
