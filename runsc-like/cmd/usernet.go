package cmd

import (
	"github.com/spf13/cobra"

	"hull/runsc-like/container"
	"hull/runsc-like/control"
)

// addUser adds the flags of a network of mode user.
func addUser(c *cobra.Command, u *container.UserNetwork) {
	fl := c.Flags()
	fl.StringArrayVarP(&u.Publish, "publish", "p", nil,
		"make a port of the host the guest's: `[ADDRESS:]HOSTPORT:GUESTPORT[/udp]` (repeatable; with --network=user)")
	fl.BoolVar(&u.AllowHost, "allow-host", false,
		"let the guest reach the host's own services, at 10.0.2.2 and host.hull.internal (with --network=user)")
	fl.StringArrayVar(&u.Allow, "allow-net", nil,
		"let the guest reach nothing but `DEST`: an address, a network or a name, *.NAME for those below it,\n"+
			"with :PORT or :FIRST-LAST for some ports (repeatable; with --network=user)")
	fl.StringArrayVar(&u.Deny, "deny-net", nil, "keep the guest from `DEST` (repeatable; with --network=user)")
}

// checkUser refuses flags that would do nothing.
func checkUser(mode string, u *container.UserNetwork) error {
	if mode != control.NetworkUser && u.Given() {
		return &container.FieldError{Field: "--network", Why: mode + ": --publish, --allow-host, --allow-net and --deny-net are for --network=user"}
	}
	return nil
}
