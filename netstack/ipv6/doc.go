// Package ipv6 is the network layer of IPv6 without threads: what is checked of
// the extension headers of a packet that arrives, and fragmentation.
//
// It knows neither interfaces nor sockets; package stack moves the packets.
package ipv6
