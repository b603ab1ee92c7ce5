// Package inet has AF_INET and AF_INET6 sockets, ip(7), ipv6(7), tcp(7), udp(7),
// raw(7): what stands between a descriptor and an endpoint of hull's own network
// stack. AF_PACKET's sockets, of package packet, are made of the same.
//
//   - It owns the forms that guests see: struct sockaddr, control messages, the
//     options that are about processes.
//   - It knows nothing of protocols: what an address or an option means is
//     netstack/stack's affair, whose errnos are handed on.
//   - Nothing here blocks but the close of a lingering connection.
package inet
