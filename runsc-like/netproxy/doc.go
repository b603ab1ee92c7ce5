// Package netproxy is the process beside a sandbox that has no interface of the
// host: it makes the guest's connections with sockets of the host, as any program
// would, and needs no privilege.
//
//		guest ── pipe ── translator ── stack ── TCP connections ── host's sockets
//		                     └─ datagrams, echoes ─────────────────┘
//
//	  - A connection of TCP ends in a stack of the proxy's own. The translator holds
//	    the guest's SYN until the host has answered, then turns the packets of the
//	    connection into packets for a listener there, and back.
//	  - Datagrams of UDP it takes itself, after their fragments are put together, and
//	    sends them by a socket for each address of the guest: to all the world that is
//	    one address, at which anybody whom the guest may reach may answer. Echoes of
//	    ICMP have a socket for each pair of addresses.
//	  - What may be reached is decided here (Policy), outside the sandbox, by address,
//	    port, and by the names that the proxy was asked to look up.
//
// The guest is hostile: tables, and what waits in them, are bounded. The proxy has
// no files, and a seccomp filter.
//
// Addresses are those that slirp made usual: the guest is 10.0.2.15 and fd00::15,
// the host 10.0.2.2 and fd00::2, its resolver 10.0.2.3 and fd00::3.
package netproxy
