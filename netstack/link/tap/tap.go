// Package tap is a link over a TAP or TUN device (Linux, tuntap.rst): the host's
// stack, or a bridge of the host, is on the other side of it.
//
// Open makes or joins a device, for which it needs CAP_NET_ADMIN in the network
// namespace, or to be the device's owner. New takes the descriptor and needs
// nothing.
package tap

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
	"hull/netstack/link/internal/vnet"
	"hull/netstack/link/virtio"
)

// The bits of TUNSETOFFLOAD: what the host may leave to who reads.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6

// usos are those of newer kernels (6.2).
const usos = unix.TUN_F_USO4 | unix.TUN_F_USO6

// Open returns a descriptor for the device of that name in the network namespace
// of the calling thread: a TAP device, or a TUN device if raw is set, whose
// packets have no link header.
func Open(name string, raw bool) (fd int, o link.Offload, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, 0, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	req, err := unix.NewIfreq(name)
	if err != nil {
		return -1, 0, fmt.Errorf("device %q: %w", name, err)
	}
	flags := uint16(unix.IFF_TAP)
	if raw {
		flags = unix.IFF_TUN
	}
	req.SetUint16(flags | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return -1, 0, fmt.Errorf("TUNSETIFF %s: %w", name, err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, virtio.HeaderSize); err != nil {
		return -1, 0, fmt.Errorf("TUNSETVNETHDRSZ: %w", err)
	}
	o = link.RxChecksum | link.TxChecksum | link.TSO4 | link.TSO6
	if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads|usos) == nil {
		return fd, o | link.USO, nil
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
		return -1, 0, fmt.Errorf("TUNSETOFFLOAD: %w", err)
	}
	return fd, o, nil
}

// Config describes a device.
type Config struct {
	FD      int // which New takes over, with an error too
	Pool    *buffer.Pool
	MTU     int
	Raw     bool         // a TUN device
	Address link.Address // of this side, of a TAP device
	Offload link.Offload // what Open returned
}

// New returns the link over a device.
func New(c Config) (link.Endpoint, error) {
	kind := link.Ethernet
	if c.Raw {
		kind = link.RawIP
	}
	return vnet.New(vnet.Config{
		FD: c.FD, Pool: c.Pool, MTU: c.MTU, Kind: kind, Address: c.Address, Offload: c.Offload, Device: true,
	})
}
