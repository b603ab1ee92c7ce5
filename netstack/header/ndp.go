package header

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The messages of neighbour discovery (RFC 4861) are views of a whole message of
// ICMPv6. Their hop limit has to be NDPHopLimit, which is for IP to check.

// NDPHopLimit is the hop limit of every message of neighbour discovery.
const NDPHopLimit = 255

// NDNeighbor is a neighbour solicitation or advertisement.
//
//	4   of an advertisement: router, solicited, override (3 bits), reserved (29)
//	8   target (16)
//	24  options
type NDNeighbor []byte

// NDNeighborSize is the length of the message without options.
const NDNeighborSize = 24

// NDNeighborFields is what Encode writes.
type NDNeighborFields struct {
	Type                        ICMPv6Type // ICMPv6NeighborSolicit or Advert
	Router, Solicited, Override bool
	Target                      netip.Addr
}

// Valid reports whether the message is all there, its options are well formed
// and its code is zero.
func (h NDNeighbor) Valid() bool {
	return len(h) >= NDNeighborSize && h[1] == 0 && h.Options().Valid()
}

// Router says that the sender of an advertisement is a router.
func (h NDNeighbor) Router() bool { return h[4]&0x80 != 0 }

// Solicited says that an advertisement is an answer.
func (h NDNeighbor) Solicited() bool { return h[4]&0x40 != 0 }

// Override says that an advertisement's link address replaces a known one.
func (h NDNeighbor) Override() bool { return h[4]&0x20 != 0 }

// Target is the address that is asked for or advertised.
func (h NDNeighbor) Target() netip.Addr { return addr6(h[8:24]) }

// Options is the message's options.
func (h NDNeighbor) Options() NDPOptions { return NDPOptions(h[NDNeighborSize:]) }

// Encode writes the message but for options, with a checksum of zero.
func (h NDNeighbor) Encode(f NDNeighborFields) {
	_ = h[NDNeighborSize-1]
	var flags uint32
	if f.Router {
		flags |= 1 << 31
	}
	if f.Solicited {
		flags |= 1 << 30
	}
	if f.Override {
		flags |= 1 << 29
	}
	ICMPv6(h).Encode(ICMPv6Fields{Type: f.Type, Rest: flags})
	putAddr6(h[8:], f.Target)
}

func (h NDNeighbor) what() string {
	s := "neighbor solicitation, who has "
	if ICMPv6(h).Type() == ICMPv6NeighborAdvert {
		s = "neighbor advertisement, tgt is "
	}
	if len(h) < NDNeighborSize {
		return s + "[|nd]"
	}
	return s + h.Target().String()
}

// NDRouterSolicit is a router solicitation.
//
//	8  options
type NDRouterSolicit []byte

// NDRouterSolicitSize is the length of the message without options.
const NDRouterSolicitSize = 8

// Valid is as that of NDNeighbor.
func (h NDRouterSolicit) Valid() bool {
	return len(h) >= NDRouterSolicitSize && h[1] == 0 && h.Options().Valid()
}

// Options is the message's options.
func (h NDRouterSolicit) Options() NDPOptions { return NDPOptions(h[NDRouterSolicitSize:]) }

// NDRouterAdvert is a router advertisement.
//
//	4   hop limit (1), managed, other, home agent (3 bits), preference (2)
//	6   lifetime as a default router in seconds (2)
//	8   reachable time (4), retransmission timer (4), in milliseconds
//	16  options
type NDRouterAdvert []byte

// NDRouterAdvertSize is the length of the message without options.
const NDRouterAdvertSize = 16

// NDPreference is how much a router or a route is preferred (RFC 4191).
type NDPreference int8

const (
	NDPreferenceLow    NDPreference = -1
	NDPreferenceMedium NDPreference = 0
	NDPreferenceHigh   NDPreference = 1
)

// preference reads the two bits of it; the reserved value counts as medium.
func preference(b uint8) NDPreference {
	switch b >> 3 & 3 {
	case 1:
		return NDPreferenceHigh
	case 3:
		return NDPreferenceLow
	}
	return NDPreferenceMedium
}

// NDRouterAdvertFields is what Encode writes.
type NDRouterAdvertFields struct {
	HopLimit             uint8
	Managed, Other       bool
	Lifetime             time.Duration
	Reachable, Retransmt time.Duration
}

// Valid is as that of NDNeighbor.
func (h NDRouterAdvert) Valid() bool {
	return len(h) >= NDRouterAdvertSize && h[1] == 0 && h.Options().Valid()
}

// HopLimit is the one that hosts are to use, 0 if the router does not say.
func (h NDRouterAdvert) HopLimit() uint8 { return h[4] }

// Managed says that addresses come from DHCPv6.
func (h NDRouterAdvert) Managed() bool { return h[5]&0x80 != 0 }

// Other says that other settings come from DHCPv6.
func (h NDRouterAdvert) Other() bool { return h[5]&0x40 != 0 }

// Preference is how much the router is preferred as a default one.
func (h NDRouterAdvert) Preference() NDPreference { return preference(h[5]) }

// Lifetime is how long the router may be a default one; 0 is not at all.
func (h NDRouterAdvert) Lifetime() time.Duration {
	return time.Duration(binary.BigEndian.Uint16(h[6:])) * time.Second
}

// ReachableTime is how long a neighbour counts as reachable, 0 if not said.
func (h NDRouterAdvert) ReachableTime() time.Duration {
	return time.Duration(binary.BigEndian.Uint32(h[8:])) * time.Millisecond
}

// RetransTimer is the time between solicitations, 0 if not said.
func (h NDRouterAdvert) RetransTimer() time.Duration {
	return time.Duration(binary.BigEndian.Uint32(h[12:])) * time.Millisecond
}

// Options is the message's options.
func (h NDRouterAdvert) Options() NDPOptions { return NDPOptions(h[NDRouterAdvertSize:]) }

// Encode writes the message but for options, with a checksum of zero.
func (h NDRouterAdvert) Encode(f NDRouterAdvertFields) {
	_ = h[NDRouterAdvertSize-1]
	var flags uint32
	if f.Managed {
		flags |= 0x80
	}
	if f.Other {
		flags |= 0x40
	}
	rest := uint32(f.HopLimit)<<24 | flags<<16 | uint32(uint16(f.Lifetime/time.Second))
	ICMPv6(h).Encode(ICMPv6Fields{Type: ICMPv6RouterAdvert, Rest: rest})
	binary.BigEndian.PutUint32(h[8:], uint32(f.Reachable/time.Millisecond))
	binary.BigEndian.PutUint32(h[12:], uint32(f.Retransmt/time.Millisecond))
}

// NDRedirect is a redirect.
//
//	8   target: the better first hop, or the destination if it is on the link (16)
//	24  destination (16)
//	40  options
type NDRedirect []byte

// NDRedirectSize is the length of the message without options.
const NDRedirectSize = 40

// Valid is as that of NDNeighbor.
func (h NDRedirect) Valid() bool {
	return len(h) >= NDRedirectSize && h[1] == 0 && h.Options().Valid()
}

// Target is the better first hop.
func (h NDRedirect) Target() netip.Addr { return addr6(h[8:24]) }

// Destination is the address that the redirect is about.
func (h NDRedirect) Destination() netip.Addr { return addr6(h[24:40]) }

// Options is the message's options.
func (h NDRedirect) Options() NDPOptions { return NDPOptions(h[NDRedirectSize:]) }

// Encode writes the message but for options, with a checksum of zero.
func (h NDRedirect) Encode(target, destination netip.Addr) {
	_ = h[NDRedirectSize-1]
	ICMPv6(h).Encode(ICMPv6Fields{Type: ICMPv6Redirect})
	putAddr6(h[8:], target)
	putAddr6(h[24:], destination)
}
