// Package rtnetlink answers NETLINK_ROUTE, rtnetlink(7): interfaces, addresses,
// routes, rules and neighbours of a netstack, and tells its groups what changed.
//
//   - It owns no state: all of it is the stack's, and what a request asks for is
//     one or a few calls of it. The checks that Linux makes of a request before
//     it comes to the tables are here, with the words that it has for them.
//   - Families that a stack has not (MPLS, bridges' forwarding tables) and queueing
//     disciplines are EOPNOTSUPP.
package rtnetlink
