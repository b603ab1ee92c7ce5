// Package header has the wire formats: what the bytes of Ethernet, ARP, IP,
// ICMP, IGMP, MLD, UDP and TCP mean, and how they are written.
//
//   - A view is a byte slice with a name: `type IPv4 []byte`. Its getters read
//     the bytes where they are and allocate nothing.
//   - Valid is called once, before any getter: it checks every length that a
//     getter relies on, and nothing that is a matter of policy (checksums,
//     addresses). A getter of a view that is not valid may panic.
//   - Encode overwrites a header whole. What it does not know (the checksum of
//     TCP, UDP and ICMP, which need the payload) it leaves zero.
//   - String prints a line as tcpdump does, of anything, valid or not.
//
// Addresses are netip.Addr, hardware addresses [6]byte, offsets and lengths are
// in bytes whatever the unit on the wire. A checksum is handled as the folded
// sum of 16-bit words; its complement stands in the header.
//
// It imports no other package of the stack and keeps no state.
package header
