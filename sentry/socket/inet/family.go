package inet

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket"
)

// Network is the sockets of a network namespace that has a stack.
type Network struct {
	net     *socket.NetNS // immutable
	stack   *stack.Stack  // immutable
	cookies *Cookies      // immutable

	calls sync.Pool `snapshot:"-"` // of *call
}

// Cookies numbers the sockets of a sandbox, for SO_COOKIE.
type Cookies struct{ last atomic.Uint64 }

// New returns the sockets of net over s.
func New(net *socket.NetNS, s *stack.Stack, cookies *Cookies) *Network {
	n := &Network{net: net, stack: s, cookies: cookies}
	n.calls.New = func() any { return new(call) }
	return n
}

// Stack returns the network stack.
func (n *Network) Stack() *stack.Stack { return n.stack }

// Family returns the family of sockets with number af.
func (n *Network) Family(af int32) socket.Family { return family{n, af} }

type family struct {
	n  *Network
	af int32
}

// Socket implements socket.Family.
func (f family) Socket(t current.Task, typ, protocol int32) (socket.Socket, error) {
	s, err := f.n.NewSock(t, f.af, typ, protocol)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Pair implements socket.Family. Linux makes both sockets before it finds that
// the family has no pairs.
func (f family) Pair(t current.Task, typ, protocol int32) (a, b socket.Socket, err error) {
	s, err := f.n.NewSock(t, f.af, typ, protocol)
	if err != nil {
		return nil, nil, err
	}
	s.Release(t, nil)
	return nil, nil, unix.EOPNOTSUPP
}

// NewSock makes a socket.
func (n *Network) NewSock(t current.Task, af, typ, protocol int32) (*Sock, error) {
	if protocol < 0 || af != unix.AF_PACKET && protocol >= maxProtocol {
		return nil, unix.EINVAL
	}
	c := t.Cred()
	st, err := n.stack.NewSocket(int(af), int(typ), int(protocol), stack.Owner{
		UID: c.FSUID, GID: c.EGID,
		Raw: n.net.May(t, unix.CAP_NET_RAW), Admin: n.net.May(t, unix.CAP_NET_ADMIN),
	})
	if err != nil {
		return nil, err
	}
	return n.wrap(st), nil
}

// maxProtocol is IPPROTO_MAX: above IPPROTO_MPTCP.
const maxProtocol = 263

// wrap makes a socket of an endpoint.
func (n *Network) wrap(st stack.Socket) *Sock {
	s := &Sock{n: n, st: st, typ: int32(st.Type())}
	n.net.IncRef()
	st.SetWake(s.wake)
	return s
}
