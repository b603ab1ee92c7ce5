// Package tcp is TCP without sockets: the state machine of one connection, as
// RFC 9293 has it and Linux keeps it.
//
//	Conn       a connection from its SYN to its end
//	TimeWait   what is left of one that waits 2 MSL
//	Cookies    the secret of SYN cookies; FastOpen that of Fast Open
//	Tunables   net.ipv4.tcp_*; Counters what /proc/net/snmp and netstat count
//
// The engine has no I/O, no clock, no lock and no goroutine. Each call brings the
// time; what it causes to be sent is taken with Take, what it causes to be known
// with Events, and Deadline says when Timer is to be called next:
//
//	c.Input(now, &seg)      // or Write, Consume, Close, Timer …
//	send(c.Take())          // segments with their TCP header, checksum not yet in
//	wake(c.Events())        // what happened since the last call
//	timer.set(c.Deadline())
//
// A caller holds its own lock around these. Data are buffer.Views: a byte that is
// sent stays in the view that Write brought until it is acknowledged, and each
// transmission is a packet around references to it.
//
// Sequence numbers are int64 inside: the 32 bits of the wire, extended (see
// expand), so that they never wrap and are compared as numbers. Windows are in
// bytes, times in nanoseconds.
//
// Journey of a segment: input.go (is it acceptable?) → ack.go (what does it
// acknowledge?) → sack.go, rack.go (what is lost?) → recovery.go (how much may be
// sent?) → reassembly.go (what may be read?) → output.go (send what is due).
package tcp
