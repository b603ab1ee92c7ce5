package filter

import (
	"net/netip"

	"hull/netstack/buffer"
)

// Hook is a place on a packet's way where it is filtered: NF_INET_* of
// linux/netfilter.h.
type Hook uint8

// The hooks. A packet that arrives passes Prerouting, before it is routed but
// after its fragments were put together; then Input before a socket gets it, or
// Forward and Postrouting. One that a socket sends passes Output once it has a
// route and its IP header, then Postrouting, before it is cut into fragments.
// The loopback interface is no exception.
const (
	Prerouting Hook = iota
	Input
	Forward
	Output
	Postrouting
	Hooks // how many there are
)

// Verdict is what becomes of a packet.
type Verdict uint8

// The verdicts.
const (
	Accept Verdict = iota
	Drop           // the packet stays the caller's, who releases it; a sender is told EPERM
	Stolen         // the packet is gone: it was answered
	// Gather, of Prerouting: the packet is a fragment, and the filter wants to see what
	// it is of. The caller puts that together and asks again, with Whole.
	Gather
)

// Device is what a filter knows of an interface.
type Device struct {
	Index  int
	Name   string
	Kind   string // of `ip link add type`
	HWType uint16 // ARPHRD_*
	MTU    int
	Group  uint32
}

// Context is what is told of a packet at a hook. It is valid during the call.
type Context struct {
	V6      bool
	In, Out *Device // nil where there is none (In of Output, Out of Prerouting)
	Now     int64   // nanoseconds of the stack's clock

	// The socket that sends: UID and GID count if HasOwner.
	UID, GID uint32
	HasOwner bool

	// Of a frame: what follows the link's header, and the bridges that the
	// interfaces are ports of. Frame is set by RunFrame.
	Frame               bool
	EtherType           uint16
	BridgeIn, BridgeOut string

	// Whole: the packet was put together because the filter asked for that, and is past
	// what sees fragments.
	Whole bool

	PacketType uint8  // PACKET_HOST and its like
	LinkHeader []byte // of a packet that came from an Ethernet, or nil

	// Reroute is set by Output, if what the route depends on (destination, mark,
	// type of service) is no longer what it was: the packet is to be routed
	// anew before Postrouting.
	Reroute bool
}

// Filter decides about packets.
type Filter interface {
	// Run decides about p, whose Head begins with the network's header. The
	// filter may change the packet: after Prerouting and Output the addresses
	// are to be read from the header, not from before; headers in Head may be
	// in another chunk. p.Mark and p.Track go with the packet from hook to hook, and through
	// the loopback interface.
	//
	// Any goroutine may call it, with no lock held that Host's methods take.
	Run(h Hook, p *buffer.Packet, c *Context) Verdict
}

// Host is what a filter asks of the stack that it is attached to. Its methods
// are called in Run, without the filter's locks but inside the caller's.
type Host interface {
	// RejectICMP answers p with an ICMP error of the type and code, RejectReset
	// with a reset segment. p, whose Head begins with the network's header, stays the
	// caller's.
	RejectICMP(h Hook, p *buffer.Packet, c *Context, typ, code uint8)
	// A frame is answered to where it came from.
	RejectReset(h Hook, p *buffer.Packet, c *Context)
	// SendFrame sends a copy of a frame, whose packet is p, out of an interface.
	SendFrame(p *buffer.Packet, c *Context, oif int)
	// SendToNeighbor sends a copy of a frame's packet to a neighbour at an interface.
	SendToNeighbor(p *buffer.Packet, c *Context, to netip.Addr, oif int)
	// SendCopy sends a copy of a packet of IP by way of a gateway; oif 0 is any.
	SendCopy(h Hook, p *buffer.Packet, c *Context, gateway netip.Addr, oif int)
	// Route looks up where a packet would go: the type (RTN_*) of its route and
	// the interface. iif and oif are 0 for any. RTN_UNSPEC if there is no route.
	Route(src, dst netip.Addr, iif, oif int, mark uint32) (typ uint8, index int)
	// Source returns the address that a packet for dst would bear which leaves
	// through an interface: what masquerading takes.
	Source(index int, dst netip.Addr) (netip.Addr, bool)
	// Local reports whether an address is one of this host's, of the interface
	// or, with 0, of any.
	Local(a netip.Addr, index int) bool
	// Log takes a line of the kernel's log, of a log statement.
	Log(level int, line string)
}
