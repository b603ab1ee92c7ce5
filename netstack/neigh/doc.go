// Package neigh finds the hardware addresses of neighbours: the state machine of
// RFC 4861 section 7.3, which Linux uses for ARP too, without packets, clock or
// threads.
//
//	INCOMPLETE  solicited by multicast; packets wait
//	REACHABLE   confirmed a short time ago
//	STALE       known, and asked again when it is used
//	DELAY       used since; an upper layer may still confirm it
//	PROBE       solicited by unicast
//	FAILED      did not answer
//	PERMANENT   said by an administrator; NOARP: the link needs no address
//
// A Cache belongs to one interface and one family. Whoever sends keeps the
// *Entry and asks Resolved, which takes no lock as long as nothing is to be done.
// What the cache wants done it hands to its Link after it let go of its lock.
package neigh
