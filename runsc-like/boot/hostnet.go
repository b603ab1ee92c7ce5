package boot

import (
	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
	"hull/runsc-like/control"
	"hull/sentry/socket"
	"hull/sentry/socket/hostinet"
)

// useHost makes the host's sockets those of a namespace. What else it has shows
// what the launcher saw, and cannot be changed. Of files, descriptors of the
// sentry's, a part is left to other uses.
func useHost(ns *socket.NetNS, files uint64) error {
	const part = 4
	sockets, err := hostinet.New(ns, int(min(files, 1<<20)/part*(part-1)))
	if err != nil {
		return err
	}
	ns.Foreign = true
	ns.Families[unix.AF_INET] = sockets.Family(unix.AF_INET)
	ns.Families[unix.AF_INET6] = sockets.Family(unix.AF_INET6)
	end := ns.OnClose
	ns.OnClose = func() {
		sockets.Close()
		end()
	}
	return nil
}

// shownLink is an interface of the host's that the guest only sees: nothing arrives,
// and what is sent is gone.
type shownLink struct {
	mtu     int
	kind    link.Kind
	address link.Address
}

func newShownLink(l control.Link) *shownLink {
	s := &shownLink{mtu: l.MTU, kind: link.Ethernet, address: l.Address}
	if l.Raw {
		s.kind = link.RawIP
	}
	return s
}

var _ link.Endpoint = (*shownLink)(nil)

// Attach implements link.Endpoint.
func (*shownLink) Attach(link.Dispatcher) {}

// Send implements link.Endpoint.
func (*shownLink) Send(ps []*buffer.Packet) (int, error) {
	for _, p := range ps {
		p.Release()
	}
	return len(ps), nil
}

// Close implements link.Endpoint.
func (*shownLink) Close() error { return nil }

// MTU implements link.Endpoint.
func (l *shownLink) MTU() int { return l.mtu }

// Kind implements link.Endpoint.
func (l *shownLink) Kind() link.Kind { return l.kind }

// Address implements link.Endpoint.
func (l *shownLink) Address() link.Address { return l.address }

// Offload implements link.Endpoint.
func (*shownLink) Offload() link.Offload { return 0 }
