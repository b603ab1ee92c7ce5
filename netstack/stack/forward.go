package stack

import (
	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/route"
)

// forward4 sends a packet on that is not for us, and owns it. r and err are what
// its route is.
func (s *Stack) forward4(in *inbound, r route.Result, err error) {
	n := in.nic
	if n.conf4[conf4Forwarding].Load() == 0 || in.kind != unix.PACKET_HOST || n.loopback() {
		s.countBad(in, cIpInAddrErrors)
		return
	}
	if !s.validSource4(in, in.dst) {
		s.martian(in)
		return
	}
	if err != nil {
		s.count(cIpExtInNoRoutes)
		code := header.ICMPv4NetUnreachable
		switch err {
		case unix.EHOSTUNREACH:
			code = header.ICMPv4HostUnreachable
		case unix.EACCES:
			code = header.ICMPv4AdminProhibited
		case unix.EINVAL:
			in.pkt.Release() // a blackhole
			return
		}
		s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4DstUnreachable, Code: code})
		in.pkt.Release()
		return
	}
	if in.ttl <= 1 {
		s.count(cIpInHdrErrors)
		s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4TimeExceeded})
		in.pkt.Release()
		return
	}
	p := s.forwardPath(in, r)
	if p == nil {
		s.countBad(in, cIpInAddrErrors)
		return
	}
	if p.nic == n && !n.noARP() {
		s.redirect4(in, p)
	}
	if !in.ask(HookForward, p.nic) {
		return
	}
	x := in.pkt
	if !x.Own(in.ihl) {
		s.countBad(in, cIpInDiscards)
		return
	}
	h := header.IPv4(x.Head())
	if in.tooBig(p.size) && h.DontFragment() {
		s.count(cIpFragFails)
		s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4DstUnreachable, Code: header.ICMPv4FragmentationNeeded, MTU: uint16(p.size)})
		x.Release()
		return
	}
	h.SetTTL(in.ttl - 1)
	s.count(cIpForwDatagrams)
	unframe(x)
	_ = p.leave([]*buffer.Packet{x}, &sendOptions{mtu: in.fragSize}, n)
}

// unframe makes the offsets of a packet that arrived those of one that is sent:
// counted from its IP header.
func unframe(x *buffer.Packet) {
	if x.Checksum == buffer.ChecksumPartial {
		x.ChecksumStart -= uint16(x.NetOffset)
	}
	if x.Checksum == buffer.ChecksumValid && x.GSO.Size == 0 {
		x.Checksum = buffer.ChecksumUnknown // it stands in the packet
	}
	x.NetOffset, x.TransportOffset = 0, 0
}

// tooBig reports whether a packet that arrived is too large to be sent on. One that
// came in fragments leaves in such that are no larger: they are what counts.
func (in *inbound) tooBig(mtu int) bool {
	if in.fragSize != 0 {
		return in.fragSize > mtu
	}
	return in.nic.stack.tooBig(in.pkt, mtu)
}

// tooBig reports whether a packet, or the segments that it will be cut into, are
// larger than an MTU.
func (s *Stack) tooBig(x *buffer.Packet, mtu int) bool {
	if x.GSO.Size == 0 {
		return x.Len() > mtu
	}
	b := x.Head()
	start, v6, ok := transportStart(x, 0)
	if !ok {
		return true
	}
	size := start + header.UDPSize
	if x.GSO.Type != buffer.GSOUDP {
		size = start + header.TCPMinSize
		if len(b) >= size {
			size = start + header.TCP(b[start:]).DataOffset()
		}
	}
	_ = v6
	return size+int(x.GSO.Size) > mtu
}

// forwardPath is the path that a packet takes on.
func (s *Stack) forwardPath(in *inbound, r route.Result) *path {
	q := pathQuery{dst: in.dst, src: in.src, anySource: true}
	p := s.newPath(&q)
	p.route = r.Route
	if p.nic = s.NIC(r.Hop.OIF); p.nic == nil || !p.nic.isUp() {
		return nil
	}
	if r.Hop.Gateway.IsValid() {
		p.hop, p.gw = r.Hop.Gateway, true
	}
	p.size = p.nic.ipMTU()
	if r.Route != nil && r.Route.Metrics.MTU != 0 {
		p.size = min(p.size, int(r.Route.Metrics.MTU))
	}
	return p
}

// redirect4 tells a sender on the link that the next hop is on it too.
func (s *Stack) redirect4(in *inbound, p *path) {
	if !in.nic.or4(conf4SendRedirects) || in.ihl > header.IPv4MinSize {
		return
	}
	if !in.nic.or4(conf4SharedMedia) && !onLink(in.nic.list4(), in.src) || !onLink(in.nic.list4(), in.src) {
		return
	}
	s.sendError4(in, header.ICMPv4Fields{Type: header.ICMPv4Redirect, Code: header.ICMPv4RedirectHost, Gateway: p.hop})
}
