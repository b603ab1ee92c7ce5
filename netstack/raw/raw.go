// Package raw has what raw sockets do besides queueing: filters of ICMP types,
// and the check of headers that the sender writes himself.
package raw

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Filter is ICMP_FILTER and ICMP6_FILTER: a set bit blocks a type. Of IPv4 the
// first 32 types are looked at.
type Filter [8]uint32

// Blocks reports whether messages of the type are not wanted.
func (f *Filter) Blocks(typ uint8) bool { return f[typ>>5]>>(typ&31)&1 != 0 }

// Header completes an IPv4 header that the sender wrote (IP_HDRINCL), in a packet
// of size bytes, as raw(7) says: the total length and checksum always, the source
// and identification if they are zero. EINVAL if it is none.
func Header(h header.IPv4, size int, src netip.Addr, id uint16) error {
	if len(h) < header.IPv4MinSize || h[0]>>4 != 4 || h.IHL() < header.IPv4MinSize || h.IHL() > len(h) {
		return unix.EINVAL
	}
	if h.SrcAddr().IsUnspecified() && src.Is4() {
		a := src.As4()
		copy(h[12:], a[:])
	}
	if h.ID() == 0 {
		h.SetID(id)
	}
	h.SetTotalLen(uint16(size))
	h.UpdateChecksum()
	return nil
}
