// Package ipv4 is the network layer of IPv4 without threads: what is checked of
// a packet that arrives, its options, fragmentation, identifications, and the
// group membership protocol IGMP.
//
// It knows neither interfaces nor sockets; package stack moves the packets.
package ipv4
