// Package gonet makes of a stack's sockets what Go programs know: net.Conn,
// net.Listener and net.PacketConn, which block.
//
//	n := gonet.New(s, stack.Owner{})
//	c, err := n.Dial(ctx, "tcp", netip.MustParseAddrPort("192.0.2.1:80"))
//
// It is for programs that have a stack of their own. It knows nothing of what is
// below the sockets, and names no hosts.
package gonet
