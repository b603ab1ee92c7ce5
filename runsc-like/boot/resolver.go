package boot

import (
	"fmt"
	"net/netip"

	"hull/netstack/gonet"
	"hull/netstack/stack"
	"hull/runsc-like/dnsrelay"
)

// resolve has queries to the name servers of the namespace's loopback interface
// answered by the relay behind fd, which is taken over.
func (w *wiring) resolve(fd int, servers []netip.Addr) error {
	g, err := dnsrelay.NewGuest(fd)
	if err != nil {
		return err
	}
	n := gonet.New(w.stack, stack.Owner{Raw: true, Admin: true, Beside: true})
	const port = 53
	for _, a := range servers {
		at := netip.AddrPortFrom(a, port)
		u, err := n.ListenPacket(at)
		if err != nil {
			return fmt.Errorf("name server %s: %w", a, err)
		}
		l, err := n.Listen(at)
		if err != nil {
			return fmt.Errorf("name server %s: %w", a, err)
		}
		go g.Datagrams(u, a)
		go g.Streams(l, a)
	}
	return nil
}
