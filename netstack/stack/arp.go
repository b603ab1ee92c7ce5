package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// arpIn takes an ARP packet in, trimmed to itself, and owns it.
func (n *NIC) arpIn(p *buffer.Packet) {
	defer p.Release()
	if n.noARP() || !p.Pull(header.ARPSize) {
		return
	}
	if n.stack.seesFrames(filter.ARP) && n.stack.dropsFrame(filter.ARP, filter.ARPIn, p, n, nil, nil) {
		return
	}
	h := header.ARP(p.Head())
	if !h.Valid() || h.Op() != header.ARPRequest && h.Op() != header.ARPReply {
		return
	}
	s := n.stack
	sender, target := h.SenderAddr(), h.TargetAddr()
	hw := link.Address(h.SenderHW())
	if target.IsMulticast() || target.IsLoopback() && !n.or4(conf4RouteLocalnet) || hw[0]&1 != 0 {
		return
	}
	if sender.IsUnspecified() {
		// RFC 5227: somebody asks whether the address is taken.
		if h.Op() == header.ARPRequest && n.answersFor(target, sender) {
			n.sendARP(header.ARPReply, target, sender, hw, hw)
		}
		return
	}
	gratuitous := sender == target
	if gratuitous && n.or4(conf4DropGratuitousARP) {
		return
	}
	if h.Op() == header.ARPRequest && s.isLocal(target, 0) {
		if n.answersFor(target, sender) {
			n.arp.Learn(s.now(), neigh.Update{Addr: sender, HW: hw, HasHW: true, Override: true, Create: true})
			n.sendARP(header.ARPReply, target, sender, hw, hw)
		}
		return
	}
	if h.Op() == header.ARPRequest && !gratuitous && n.proxies(target) {
		n.arp.Learn(s.now(), neigh.Update{Addr: sender, HW: hw, HasHW: true, Override: true, Create: true})
		n.sendARP(header.ARPReply, target, sender, hw, hw)
		return
	}
	if s.isLocal(sender, 0) {
		return // a duplicate of ours; nothing is learnt of it
	}
	// A reply to us confirms; what others are told is only taken note of.
	toUs := h.Op() == header.ARPReply && link.Address(h.TargetHW()) == n.Address()
	n.arp.Learn(s.now(), neigh.Update{
		Addr: sender, HW: hw, HasHW: true, Solicited: toUs && !gratuitous, Override: true,
		Create: n.max4(conf4ARPAccept) != 0 && gratuitous,
	})
}

// answersFor reports whether a request for target is to be answered here: the
// target is ours, and arp_ignore and arp_filter say nothing against it.
func (n *NIC) answersFor(target, sender netip.Addr) bool {
	s := n.stack
	if !s.isLocal(target, 0) {
		return false
	}
	here := n.find(target)
	switch n.max4(conf4ARPIgnore) {
	case 0:
	case 1:
		if here == nil {
			return false
		}
	case 2:
		if here == nil || !sender.IsUnspecified() && !here.Prefix.Masked().Contains(sender) {
			return false
		}
	case 3:
		if here != nil && here.Scope == unix.RT_SCOPE_HOST {
			return false
		}
	case 8:
		return false
	}
	if n.or4(conf4ARPFilter) && !sender.IsUnspecified() {
		p, err := s.findPath(&pathQuery{dst: sender, src: target, anySource: true})
		if err != nil || p.nic != n {
			s.count(cTcpExtArpFilter)
			return false
		}
	}
	return true
}

// proxies reports whether proxy_arp has us answer for target: if we forward to it
// through another interface.
func (n *NIC) proxies(target netip.Addr) bool {
	if !n.or4(conf4ProxyARP) || n.conf4[conf4Forwarding].Load() == 0 {
		return false
	}
	r, err := n.stack.ribs[0].Lookup(&route.Flow{Dst: target, IIF: n.index})
	return err == nil && r.Route.Type == unix.RTN_UNICAST && r.Hop.OIF != n.index
}

// sendARP sends one ARP packet from own to target, whose hardware address hw is if
// it is known, in a frame to the address to.
func (n *NIC) sendARP(op header.ARPOp, own, target netip.Addr, hw, to link.Address) {
	p := n.stack.cfg.Pool.NewPacket()
	header.ARP(p.Prepend(header.ARPSize)).Encode(header.ARPFields{
		Op: op, SenderHW: n.Address(), SenderAddr: own, TargetHW: hw, TargetAddr: target,
	})
	ps := []*buffer.Packet{p}
	n.frame(ps, to, header.EtherTypeARP)
	if n.stack.seesFrames(filter.ARP) {
		ps = n.stack.askFrames(filter.ARP, filter.ARPOut, ps, nil, n, nil)
	}
	_ = n.transmit(ps)
}

// solicit4 asks who has target. arp_announce says which of our addresses asks.
func (n *NIC) solicit4(target, source netip.Addr, to link.Address, unicast bool) {
	s := n.stack
	own := netip.Addr{}
	if source.IsValid() && source.Is4() {
		switch n.max4(conf4ARPAnnounce) {
		case 0:
			if s.isLocal(source, 0) {
				own = source
			}
		case 1:
			if s.isLocal(source, 0) && onLink(n.list4(), target) && onLink(n.list4(), source) {
				own = source
			}
		}
	}
	if !own.IsValid() {
		a, ok := route.Source4(target, n.index, unix.RT_SCOPE_LINK, s.candidates(false))
		if !ok {
			a = netip.IPv4Unspecified()
		}
		own = a
	}
	hw := link.Address{}
	if unicast {
		hw = to
	} else {
		to = link.Broadcast()
	}
	n.sendARP(header.ARPRequest, own, target, hw, to)
}

// announced4 tells the neighbours of a new address, if arp_notify asks for it.
func (n *NIC) announced4(a *ifaddr, ev *events) {
	if n.isUp() && !n.noARP() && n.or4(conf4ARPNotify) {
		addr := a.Prefix.Addr()
		ev.then(func() { n.sendARP(header.ARPRequest, addr, addr, link.Address{}, link.Broadcast()) })
	}
}
