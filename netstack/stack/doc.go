// Package stack puts the layers together to one network namespace: interfaces,
// addresses, routes, neighbours, and the sockets over them. It is where the
// threads, clocks and timers of a network stack are; the layers below have none.
//
//	Stack    a network namespace
//	NIC      an interface of it, over a link.Endpoint or over nothing (dummy, bridge)
//	Socket   an endpoint of TCP, UDP, ping, raw or packet sockets, with Linux's
//	         options and errnos but without descriptors, waits or guest memory
//
// Nothing here blocks: what would is EAGAIN, and the socket's wake function is
// called when it is worth trying again. Nothing below netstack imports it, and it
// knows nothing of the sentry.
//
// Lock order, outer to inner: a socket's reader or writer lock → the socket →
// ports and demultiplexer → the stack's interfaces → neighbours → leaf locks.
// No lock is held while a link sends, a wake function is called, or bytes are
// copied from or to a user.
package stack
