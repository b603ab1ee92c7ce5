package hostinet

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
)

// Network is the host's sockets of a network namespace of the guest.
type Network struct {
	net    *socket.NetNS // immutable
	poller *poller       `snapshot:"-"`
	most   int64         // immutable: sockets at once
	count  atomic.Int64  // sockets there are

	options table // immutable

	calls sync.Pool `snapshot:"-"` // of *call
}

// New returns the sockets of net, at most so many at a time: descriptors of the
// sentry's are what else in it needs too. It is closed by Close.
func New(net *socket.NetNS, most int) (*Network, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	n := &Network{net: net, poller: p, most: int64(most), options: newTable()}
	n.calls.New = func() any { return newCall() }
	return n, nil
}

// Close ends the telling of readiness. No socket may be left.
func (n *Network) Close() { n.poller.close() }

// Family returns the family of sockets with number af: AF_INET or AF_INET6.
func (n *Network) Family(af int32) socket.Family { return family{n, af} }

type family struct {
	n  *Network
	af int32
}

// Socket implements socket.Family.
func (f family) Socket(t current.Task, typ, protocol int32) (socket.Socket, error) {
	protocol, err := f.choose(t, typ, protocol)
	if err != nil {
		return nil, err
	}
	if !f.n.reserve() {
		return nil, unix.ENFILE
	}
	fd, err := unix.Socket(int(f.af), int(typ)|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(protocol))
	if err != nil {
		f.n.count.Add(-1)
		return nil, err
	}
	s, err := f.n.adopt(&Sock{fd: fd, family: f.af, typ: typ, protocol: protocol, uid: t.Cred().FSUID})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Pair implements socket.Family. Linux makes the sockets before it finds that the
// family has no pairs.
func (f family) Pair(t current.Task, typ, protocol int32) (a, b socket.Socket, err error) {
	if _, err := f.choose(t, typ, protocol); err != nil {
		return nil, nil, err
	}
	return nil, nil, unix.EOPNOTSUPP
}

// maxProtocol is IPPROTO_MAX: above IPPROTO_MPTCP.
const maxProtocol = 263

// choose returns the protocol of a socket that the host may be asked for.
func (f family) choose(t current.Task, typ, protocol int32) (int32, error) {
	if protocol < 0 || protocol >= maxProtocol {
		return 0, unix.EINVAL
	}
	echo := int32(unix.IPPROTO_ICMP)
	if f.af == unix.AF_INET6 {
		echo = unix.IPPROTO_ICMPV6
	}
	switch typ {
	case unix.SOCK_STREAM:
		if protocol == 0 || protocol == unix.IPPROTO_TCP {
			return unix.IPPROTO_TCP, nil
		}
	case unix.SOCK_DGRAM:
		if protocol == 0 || protocol == unix.IPPROTO_UDP {
			return unix.IPPROTO_UDP, nil
		}
		if protocol == echo {
			return echo, nil
		}
	case unix.SOCK_RAW:
		if protocol == 0 {
			return 0, unix.EPROTONOSUPPORT
		}
		t.Note("nobody has CAP_NET_RAW in the host's network namespace")
		return 0, unix.EPERM
	default:
		return 0, unix.ESOCKTNOSUPPORT
	}
	return 0, unix.EPROTONOSUPPORT
}

// reserve counts a socket that is about to be made, and is false if there are too
// many.
func (n *Network) reserve() bool {
	if n.count.Add(1) > n.most {
		n.count.Add(-1)
		return false
	}
	return true
}

// adopt makes a socket of the network's of one that was reserved, and returns it. With
// an error its descriptor is closed.
func (n *Network) adopt(s *Sock) (*Sock, error) {
	s.n = n
	if err := n.poller.add(s); err != nil {
		_ = unix.Close(s.fd)
		n.count.Add(-1)
		return nil, err
	}
	n.net.IncRef()
	return s, nil
}
