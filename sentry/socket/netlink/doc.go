// Package netlink has AF_NETLINK sockets, netlink(7): ports, multicast groups,
// requests and their acknowledgements, dumps.
//
//	Net         the sockets of one network namespace; boot gives it the protocols
//	Sock        one socket
//	Protocol    what a kernel is asked: one package each beside this one
//	Request     one message to a protocol, and what it answers
//
// It knows the messages' form (package wire) and not what they say. A dump is
// not written at once: its items are collected when it is asked for, and put
// into datagrams as they are received, so that nothing is queued that has not
// room in the socket's buffer.
//
// Locks: Sock.recv (rank Socket) lets one receiver at a time take from a socket,
// guards its dump, and is held over the copy to the guest; Sock.st and Net.mu
// (rank Leaf) guard the rest and are held over nothing. Notification and protocols
// run with none of them, but that a dump's items are written with recv held.
package netlink
