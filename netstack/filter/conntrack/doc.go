// Package conntrack remembers connections: which packets belong together, in
// which state they are, and which addresses and ports they have after translation.
//
//	Tuple   what tells a connection from others, seen from one direction
//	Packet  what is read of a packet's headers
//	Conn    one connection
//	Table   all of a namespace
//
// Life of a Conn: made by Track for the first packet → translated, perhaps, by
// SetNAT → entered into the table by Confirm, when the packet has passed all
// hooks → refreshed by packets of both directions → expired. A connection that
// expired is not found any more, and is removed when its shard is next worked on:
// there is no timer, and a table at rest costs nothing. What is in it is bounded.
//
// The tracker of TCP looks at flags, not at windows, as Linux's does with
// nf_conntrack_tcp_be_liberal. It knows no packet but as bytes, no hook and no rule.
package conntrack
