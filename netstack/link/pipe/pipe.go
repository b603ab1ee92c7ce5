// Package pipe is a link between two processes, or two stacks of one: a pair of
// sockets, each end of which is an Ethernet interface. It needs no right and no
// interface of the host.
//
// What the other end says is checked like what a wire brings: it may be hostile.
package pipe

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
	"hull/netstack/link/internal/vnet"
)

// queueBytes is how much may be on the way in each direction, in bytes. The host
// may allow less.
const queueBytes = 4 << 20

// Open returns the two ends of a pair. A message is a frame, and the end of one
// process is seen by the other.
func Open() (fds [2]int, err error) {
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fds, fmt.Errorf("socketpair: %w", err)
	}
	for _, fd := range fds {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, queueBytes) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, queueBytes) // what it is by default will do
		}
	}
	return fds, nil
}

// New returns the link over one end, which it takes over, with an error too. Both
// ends have to be given the same MTU.
func New(fd int, pool *buffer.Pool, mtu int, a link.Address) (link.Endpoint, error) {
	return vnet.New(vnet.Config{
		FD: fd, Pool: pool, MTU: mtu, Kind: link.Ethernet, Address: a, Peer: true,
		Offload: link.RxChecksum | link.TxChecksum | link.TSO4 | link.TSO6 | link.USO,
	})
}
