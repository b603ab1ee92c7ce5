package stack

import "net/netip"

// Interceptor is offered flows to any address that arrive on an interface, before
// a socket exists for them: a NAT in user mode is built on it.
type Interceptor interface {
	// TCP is asked with the first segment of a connection from src to dst whether
	// it is to be accepted; a refused one is reset. It must not block. The
	// connection is offered to Accepted once it is established, as a Socket whose
	// name is dst, which need not be an address of ours.
	TCP(n *NIC, src, dst netip.AddrPort) bool
	Accepted(x Socket, src, dst netip.AddrPort)
	// UDP is asked with the first datagram of a flow. It returns the socket, bound
	// to dst and connected to src, that takes the flow (see Stack.NewFlow), or
	// nil, and then the sender is told that the port is unreachable.
	UDP(n *NIC, src, dst netip.AddrPort) Socket
}

// Intercept has f offered what is not for an address of this stack; nil ends it.
func (s *Stack) Intercept(f Interceptor) {
	if f == nil {
		s.interceptor.Store(nil)
		return
	}
	s.interceptor.Store(&f)
}
