package cmd

import (
	"context"
	"fmt"
	"net"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hull/runsc-like/container"
)

func newPortForward(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "port-forward ID [ADDRESS:]HOSTPORT:GUESTPORT...",
		Short: "Make ports of the host those of a container, while it runs",
		Long: `port-forward listens on the host, and connects those who come with what listens on
the port in the container, on its loopback interface. It needs no network of the
container's. It goes on until it is interrupted or the container ends.`,
		Example: `  hull port-forward web 8080:80
  hull port-forward web 127.0.0.1:0:5432`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return &container.FieldError{Field: "PORT", Why: "is missing: " + c.CommandPath() + " ID [ADDRESS:]HOSTPORT:GUESTPORT..."}
			}
			return nil
		},
		RunE: failing(1, func(c *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
			defer stop()
			return g.containers().PortForward(ctx, args[0], args[1:], func(host net.Addr, guest uint16) {
				fmt.Fprintf(c.OutOrStdout(), "forwarding %s to port %d\n", host, guest)
			})
		}),
	}
}
