// Package afpacket is a link over an AF_PACKET socket that is bound to an
// interface of the host: what the interface receives, whoever it is addressed to,
// and what is sent through it.
//
// Open makes such a socket; it needs CAP_NET_RAW in the interface's network
// namespace. New takes one, and needs nothing: so who has the right can hand the
// socket to a process that has none. The host's own stack sees what arrives too,
// and answers unless it has no address there.
package afpacket

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
	"hull/netstack/link/internal/vnet"
)

// queueBytes is how much may wait in the socket, in bytes: 64 segments of 64 KiB,
// or ten thousand small packets, whose bookkeeping the host counts too.
const queueBytes = 16 << 20

// Open returns a socket bound to the interface with the given index, in the
// network namespace of the calling thread. What is sent through it is not lost
// because the interface is new: see settle.
func Open(index int) (fd int, err error) {
	// Bound to no protocol at first: it would collect packets of all interfaces.
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket(AF_PACKET): %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	for _, o := range []struct {
		name  string
		level int
		opt   int
		value int
	}{
		{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
		{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return -1, fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		// Without CAP_NET_ADMIN in the first user namespace: what the host allows.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], queueBytes) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[1], queueBytes); err != nil {
				return -1, fmt.Errorf("size the queues: %w", err)
			}
		}
	}
	var all [2]byte
	binary.BigEndian.PutUint16(all[:], unix.ETH_P_ALL)
	a := &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(all[:]), Ifindex: index}
	if err := unix.Bind(fd, a); err != nil {
		return -1, fmt.Errorf("bind to interface %d: %w", index, err)
	}
	m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
		return -1, fmt.Errorf("receive all packets of interface %d: %w", index, err)
	}
	if err := settle(fd, index); err != nil {
		return -1, err
	}
	return fd, nil
}

// Config describes an interface.
type Config struct {
	FD      int // a socket that Open made, which New takes over, with an error too
	Pool    *buffer.Pool
	MTU     int
	Address link.Address
	Raw     bool // its packets have no link header: a tunnel
}

// New returns the link.
func New(c Config) (link.Endpoint, error) {
	kind := link.Ethernet
	if c.Raw {
		kind = link.RawIP
	}
	return vnet.New(vnet.Config{
		FD: c.FD, Pool: c.Pool, MTU: c.MTU, Kind: kind, Address: c.Address,
		Offload: link.RxChecksum | link.TxChecksum | link.TSO4 | link.TSO6 | link.USO,
	})
}
