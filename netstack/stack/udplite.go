package stack

import (
	"math"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/udp"
)

// UDP-Lite (RFC 3828) is UDP whose header says, in place of a length, how many bytes
// the checksum covers. Its sockets are those of UDP, with ports of their own.

// The options of SOL_UDPLITE, which is the same level as SOL_UDP.
const (
	udpLiteSendCover = 10 // UDPLITE_SEND_CSCOV
	udpLiteRecvCover = 11 // UDPLITE_RECV_CSCOV
)

// coverage is what a socket of UDP-Lite says of checksums: how many bytes of what it
// sends they cover, and at least of what it takes; 0 is all.
type coverage struct {
	send, recv       uint16
	hasSend, hasRecv bool // they were set
}

// lite reports whether the socket is one of UDP-Lite.
func (u *udpSocket) lite() bool { return u.proto == unix.IPPROTO_UDPLITE }

// table is the ports of the socket's protocol.
func (u *udpSocket) table() *ports {
	if u.lite() {
		return u.stack.udpLite
	}
	return u.stack.udp
}

// isUDP reports whether a level of options is one of UDP and UDP-Lite, which stand for
// one another.
func isUDP(level int) bool { return level == unix.IPPROTO_UDP || level == unix.IPPROTO_UDPLITE }

// setCover is setsockopt of a coverage: less than a header is a header. The caller
// holds the lock.
func (u *udpSocket) setCover(name, v int) error {
	if !u.lite() {
		return unix.ENOPROTOOPT
	}
	if v != 0 {
		v = min(max(v, header.UDPSize), math.MaxUint16)
	}
	if name == udpLiteSendCover {
		u.cover.send, u.cover.hasSend = uint16(v), true
	} else {
		u.cover.recv, u.cover.hasRecv = uint16(v), true
	}
	return nil
}

// sumLite writes the coverage and the checksum of a datagram that begins with its header.
func (u *udpSocket) sumLite(x *buffer.Packet, p *path) {
	u.mu.Lock()
	c := u.cover
	u.mu.Unlock()
	n := x.Len()
	h, covered := header.UDP(x.Head()), n
	if c.hasSend && int(c.send) < n {
		if h.SetLength(c.send); c.send > 0 {
			covered = int(c.send)
		}
	}
	sum := sumFirst(x, covered, header.PseudoHeader(header.ProtocolUDPLite, p.src, p.end(), n))
	h.SetChecksum(header.UDPChecksum(sum))
}

// sumFirst adds the first n bytes of a packet to a sum.
func sumFirst(x *buffer.Packet, n int, sum uint16) uint16 {
	if n == x.Len() {
		return sumPacket(x, 0, sum)
	}
	vs := x.Range(0, n)
	sum = header.ChecksumAdd(sum, header.ChecksumViews(vs, 0))
	releaseViews(vs)
	return sum
}

// checkUDP validates a datagram of UDP or UDP-Lite that arrived.
func (in *inbound) checkUDP() (header.UDP, udp.Verdict) {
	if in.proto == unix.IPPROTO_UDP {
		return udp.Check(in.pkt, in.v6, in.sum)
	}
	return udp.CheckLite(in.pkt, func(n int) uint16 {
		return sumFirst(in.pkt, n, header.PseudoHeader(header.ProtocolUDPLite, in.src, in.dst, in.pkt.Len()))
	})
}

// covers reports whether a datagram's checksum covers as much as the socket asks for.
// The caller holds the lock.
func (u *udpSocket) covers(p *buffer.Packet) bool {
	n := int(header.UDP(p.Head()).Length())
	if !u.cover.hasRecv || n == 0 || n >= p.Len() {
		return true
	}
	return u.cover.recv != 0 && n >= int(u.cover.recv)
}

// countUDP counts for UDP, or in the same place for UDP-Lite. c is one of cUdp….
func (s *Stack) countUDP(proto int, v6 bool, c counter) {
	first := cUdpInDatagrams
	switch {
	case proto == unix.IPPROTO_UDP && v6:
		first = cUdp6InDatagrams
	case proto != unix.IPPROTO_UDP && !v6:
		first = cUdpLiteInDatagrams
	case proto != unix.IPPROTO_UDP:
		if first = cUdpLite6InDatagrams; c == cUdpIgnoredMulti {
			return // which is not shown
		}
	}
	s.count(first + c - cUdpInDatagrams)
}
