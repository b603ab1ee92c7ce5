// Package net has the network stack speak with Linux: over a veth between network
// namespaces, one end of which is the stack's by an AF_PACKET socket, the other
// one Linux's; and from a sandbox on a veth of its own.
//
//   - Bulk both ways, whose bytes are compared; many connections at once; over
//     links that lose, delay, reorder, duplicate and corrupt; over small and large
//     MTUs; by IPv4 and IPv6.
//   - A sandbox is flooded in each way that makes it keep something (HULL_FLOOD is for
//     how long each): its memory is bounded, and others are answered all along.
//   - tshark reads what passed: nothing malformed, no wrong checksum, no storm of
//     retransmissions.
//
// It needs root, ip(8) and tshark(1).
package net
