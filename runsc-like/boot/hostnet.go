package boot

import (
	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
	"hull/netstack/stack"
	"hull/runsc-like/control"
	"hull/sentry/socket"
	"hull/sentry/socket/hostinet"
)

// newHostSockets returns the host's sockets for a namespace. Of files, descriptors of
// the sentry's, a part is left to other uses.
func newHostSockets(ns *socket.NetNS, files uint64) (*hostinet.Network, error) {
	const part = 4
	return hostinet.New(ns, int(min(files, 1<<20)/part*(part-1)))
}

// useHost makes the host's sockets those of a namespace. What else it has shows
// what the launcher saw, and cannot be changed.
func useHost(ns *socket.NetNS, sockets *hostinet.Network) {
	ns.Foreign = true
	ns.Families[unix.AF_INET] = sockets.Family(unix.AF_INET)
	ns.Families[unix.AF_INET6] = sockets.Family(unix.AF_INET6)
	end := ns.OnClose
	ns.OnClose = func() {
		sockets.Close()
		end()
	}
}

// listed has a stack list the host's sockets; n may be nil.
func listed(n *hostinet.Network) func() []stack.Listed {
	if n == nil {
		return nil
	}
	return func() []stack.Listed {
		all := n.Sockets()
		ls := make([]stack.Listed, len(all))
		for i, s := range all {
			ls[i] = hostSocket{s}
		}
		return ls
	}
}

// hostSocket is a socket of the host's as it is listed.
type hostSocket struct{ s *hostinet.Sock }

// Buffers implements stack.Listed.
func (h hostSocket) Buffers() (snd, rcv int) {
	i := h.s.Info()
	return i.SendBuffer, i.RecvBuffer
}

// Family implements stack.Listed.
func (h hostSocket) Family() int { return int(h.s.Family()) }

// Type implements stack.Listed.
func (h hostSocket) Type() int { return int(h.s.Type()) }

// Protocol implements stack.Listed.
func (h hostSocket) Protocol() int { return int(h.s.Protocol()) }

// Info implements stack.Listed.
func (h hostSocket) Info() stack.SocketInfo {
	i := h.s.Info()
	si := stack.SocketInfo{
		Family: i.Family, Type: i.Type, Protocol: i.Protocol, Local: stack.Address{AddrPort: i.Local, Scope: i.Scope},
		Remote: stack.Address{AddrPort: i.Remote}, State: i.State, RxQueue: i.RxQueue, TxQueue: i.TxQueue,
		Owner: stack.Owner{UID: i.UID, Inode: i.Inode}, V6Only: i.V6Only, ReuseAddr: i.ReuseAddr, TCPInfo: i.TCPInfo, Congestion: i.Congestion,
	}
	const retransmits, probes = 2, 3 // in struct tcp_info
	if len(i.TCPInfo) > probes {
		si.Retransmits, si.Probes = i.TCPInfo[retransmits], i.TCPInfo[probes]
	}
	return si
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
