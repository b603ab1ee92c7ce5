// Package link has the contract between the stack and what carries its packets:
// an Endpoint moves batches of frames, and knows nothing of what is in them but
// the link's own header.
//
//   - A driver is a package below this one: loopback, afpacket, tap, and the
//     decorators pcap and fault, which wrap any of them.
//   - Drivers have the threads and the host's descriptors. Nothing here or there
//     imports package stack.
package link

import "hull/netstack/buffer"

// MaxMTU bounds the MTU of any link in bytes.
const MaxMTU = 65536

// Address is a hardware address of Ethernet.
type Address [6]byte

// Broadcast is the address of all stations.
func Broadcast() Address { return Address{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// Kind is what the frames of a link look like. Its values are those of ARPHRD_*.
type Kind uint16

const (
	Ethernet Kind = 1
	Loopback Kind = 772   // an Ethernet header of zeros
	RawIP    Kind = 65534 // no header: tun
)

// Offload is what a link does for the stack.
type Offload uint32

const (
	// RxChecksum: packets that arrive say whether their checksum was verified.
	RxChecksum Offload = 1 << iota
	// TxChecksum: packets with ChecksumPartial may be sent.
	TxChecksum
	// TSO4, TSO6 and USO: packets with a GSO size may be sent.
	TSO4
	TSO6
	USO
)

// Endpoint is a link. Its methods may be called by several goroutines.
type Endpoint interface {
	// Attach starts the delivery of what arrives; nil ends it, and returns when
	// no delivery is under way.
	Attach(d Dispatcher)
	// Send takes a batch of frames, link header included, in order, and owns
	// them. It returns how many it took before its queue was full; the rest is
	// released and counted as dropped. ENETDOWN after Close.
	Send(ps []*buffer.Packet) (int, error)
	// Close ends the link and releases what it holds of the host.
	Close() error

	MTU() int // of the network layer, in bytes
	Kind() Kind
	Address() Address
	Offload() Offload
}

// Dispatcher is what an Endpoint delivers to.
type Dispatcher interface {
	// Deliver takes a batch of frames, link header included, and owns the
	// packets, not the slice.
	Deliver(ps []*buffer.Packet)
	// LinkChanged says that the link went up or down, or has a new MTU if it is
	// not 0.
	LinkChanged(up bool, mtu int)
}
