// Package filter decides about packets: nftables' tables, chains, rules, sets and
// maps, with connection tracking and address translation.
//
//	Hook, Context, Verdict   what a stack asks at five places of a packet's way
//	Filter                   what answers; nil costs a stack nothing
//	Host                     what a filter needs of the stack: to answer packets
//	                         that are rejected, to look up routes and sockets
//
// It knows no socket, no interface but by its index and name, no clock and no
// thread: times come in with the packet. It imports of the stack only buffer and
// header.
package filter
