package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// Neighbour discovery, RFC 4861: what arrives is checked here and given to the
// neighbour cache, to duplicate address detection (dad.go) or to
// autoconfiguration (slaac.go).

// maxND bounds the messages of neighbour discovery that are looked at.
const maxND = 2048

// ndIn takes a message in; the caller keeps the packet.
func (s *Stack) ndIn(in *inbound) {
	n, p := in.nic, in.pkt
	if in.ttl != header.NDPHopLimit || n.loopback() || p.Len() > maxND || !p.Pull(p.Len()) {
		return
	}
	b := p.Head()
	switch header.ICMPv6(b).Type() {
	case header.ICMPv6NeighborSolicit:
		if h := header.NDNeighbor(b); h.Valid() {
			n.solicitIn(in, h)
		}
	case header.ICMPv6NeighborAdvert:
		if h := header.NDNeighbor(b); h.Valid() {
			n.advertIn(in, h)
		}
	case header.ICMPv6RouterSolicit:
		n.routerSolicitIn(in, header.NDRouterSolicit(b))
	case header.ICMPv6RouterAdvert:
		n.routerAdvertIn(in, header.NDRouterAdvert(b))
	case header.ICMPv6Redirect:
		n.redirected6(in, header.NDRedirect(b))
	}
}

// solicitIn takes a neighbour solicitation in: section 7.2.3.
func (n *NIC) solicitIn(in *inbound, h header.NDNeighbor) {
	target := h.Target()
	hw, hasHW := h.Options().Link(header.NDPOptSourceLink)
	dad := in.src.IsUnspecified()
	if target.IsMulticast() || dad && (hasHW || in.dst != header.SolicitedNode(target)) {
		return
	}
	a := n.find(target)
	if a != nil && a.flags.Load()&unix.IFA_F_TENTATIVE != 0 {
		if dad {
			n.contested(target, h.Options())
			return
		}
		if !a.usable() {
			return // somebody resolves an address that is not ours yet
		}
	}
	anycast := a == nil && n.anycast(target)
	if a == nil && !anycast && !n.proxies6(target) || a != nil && !a.usable() {
		return
	}
	f := header.NDNeighborFields{Target: target, Router: n.forwards6(), Override: a != nil}
	if dad {
		n.advertise(f, header.IPv6AllNodes())
		return
	}
	if hasHW {
		n.learn6(neigh.Update{Addr: in.src, HW: link.Address(hw), HasHW: true, Override: true, Create: true})
	}
	f.Solicited = true
	n.advertise(f, in.src)
}

// proxies6 reports whether proxy_ndp has us answer for target: if we forward to it
// through another interface.
func (n *NIC) proxies6(target netip.Addr) bool {
	if n.conf6[conf6ProxyNDP].Load() == 0 && n.stack.conf6All[conf6ProxyNDP].Load() == 0 || !n.forwards6() {
		return false
	}
	r, err := n.stack.ribs[1].Lookup(&route.Flow{Dst: target, IIF: n.index})
	return err == nil && r.Route.Type == unix.RTN_UNICAST && r.Hop.OIF != n.index && !r.Hop.Gateway.IsValid()
}

// advertIn takes a neighbour advertisement in: section 7.2.5.
func (n *NIC) advertIn(in *inbound, h header.NDNeighbor) {
	target := h.Target()
	if target.IsMulticast() || in.multi && h.Solicited() {
		return
	}
	if in.multi && !h.Solicited() && n.conf6[conf6DropUnsolicitedNA].Load() != 0 {
		return
	}
	if a := n.find(target); a != nil {
		if a.flags.Load()&unix.IFA_F_TENTATIVE != 0 {
			n.contested(target, h.Options())
		}
		return // of ours, nothing is learnt
	}
	hw, hasHW := h.Options().Link(header.NDPOptTargetLink)
	if hasHW && hw[0]&1 != 0 {
		return
	}
	n.learn6(neigh.Update{
		Addr: target, HW: link.Address(hw), HasHW: hasHW, Solicited: h.Solicited(), Override: h.Override(),
		Router: h.Router(), HasRouter: true,
	})
	if !h.Router() {
		n.noRouter(target)
	}
}

// linkPath is a path straight out of the interface, for messages of the link
// itself.
func (n *NIC) linkPath(dst, src netip.Addr) *path {
	p := n.stack.newPath(&pathQuery{dst: dst, src: src})
	p.nic, p.size = n, n.ipMTU()
	if dst.IsMulticast() {
		p.kind = toMulticast
	}
	return p
}

// sendND sends a message of neighbour discovery, which is complete but for its
// checksum.
func (n *NIC) sendND(msg []byte, src, dst netip.Addr) {
	s := n.stack
	r := s.cfg.Pool.NewPacket()
	copy(r.Prepend(len(msg)), msg)
	s.countICMPOut6(header.ICMPv6(msg).Type())
	_ = n.linkPath(dst, src).send([]*buffer.Packet{r}, &sendOptions{
		proto: unix.IPPROTO_ICMPV6, ttl: header.NDPHopLimit, checksum: header.ICMPv6ChecksumOffset,
		tos: uint8(n.conf6[conf6NdiscTclass].Load()),
	})
}

// advertise sends a neighbour advertisement.
func (n *NIC) advertise(f header.NDNeighborFields, dst netip.Addr) {
	f.Type = header.ICMPv6NeighborAdvert
	src := f.Target
	if a := n.find(src); a == nil || !a.usable() {
		if src = n.linkLocal(); !src.IsValid() {
			return
		}
	}
	msg := make([]byte, header.NDNeighborSize, header.NDNeighborSize+8)
	header.NDNeighbor(msg).Encode(f)
	n.sendND(n.appendLink(msg, header.NDPOptTargetLink), src, dst)
}

// appendLink appends the option with the interface's hardware address, if it has one.
func (n *NIC) appendLink(msg []byte, opt header.NDPOptionType) []byte {
	if n.hw != link.Ethernet {
		return msg
	}
	return header.AppendNDPLink(msg, opt, n.Address())
}

// learn6 tells the neighbour cache, if there is one: a tun has no neighbours.
func (n *NIC) learn6(u neigh.Update) {
	if n.ndp != nil {
		n.ndp.Learn(n.stack.now(), u)
	}
}

// solicit6 asks for target: of its group, or of the neighbour itself whose address
// is to be confirmed.
func (n *NIC) solicit6(target, source netip.Addr, to link.Address, unicast bool) {
	src := source
	if a := n.find(source); !source.IsValid() || a == nil || !a.usable() {
		own, ok := route.Source6(target, n.index, false, n.ownCandidates6())
		if !ok {
			return
		}
		src = own
	}
	dst := target
	if !unicast {
		dst = header.SolicitedNode(target)
	}
	msg := make([]byte, header.NDNeighborSize, header.NDNeighborSize+8)
	header.NDNeighbor(msg).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: target})
	n.sendND(header.AppendNDPLink(msg, header.NDPOptSourceLink, n.Address()), src, dst)
}

// ownCandidates6 are the addresses of the interface itself.
func (n *NIC) ownCandidates6() []route.Candidate {
	var out []route.Candidate
	for _, c := range n.stack.candidates(true) {
		if c.OIF == n.index {
			out = append(out, c)
		}
	}
	return out
}

// redirected6 takes a redirect in: section 8.3. It is believed only of the router
// that is the first hop now.
func (n *NIC) redirected6(in *inbound, h header.NDRedirect) {
	s := n.stack
	if !h.Valid() || !in.src.IsLinkLocalUnicast() || n.forwards6() || n.conf6[conf6AcceptRedirects].Load() == 0 {
		return
	}
	target, dst := h.Target(), h.Destination()
	onLink := target == dst
	if dst.IsMulticast() || dst.Is4In6() || !onLink && !target.IsLinkLocalUnicast() || s.isLocal(dst, 0) || s.isLocal(target, n.index) {
		return
	}
	p, err := s.findPath(&pathQuery{dst: dst, anySource: true})
	if err != nil || p.nic != n || !p.gw || p.hop != in.src {
		return
	}
	if hw, ok := h.Options().Link(header.NDPOptTargetLink); ok && hw[0]&1 == 0 {
		n.learn6(neigh.Update{
			Addr: target, HW: link.Address(hw), HasHW: true, Override: true, Create: true, Router: !onLink, HasRouter: !onLink,
		})
	}
	s.pmtus.redirect(dst, target, s.now(), s.now()+int64(300e9))
	s.epoch.Add(1)
}

// redirect6 tells a sender on the link that the next hop is on it too: section 8.2.
func (n *NIC) redirect6(in *inbound, p *path) {
	s := n.stack
	src := n.linkLocal()
	if !src.IsValid() || !onLink(n.list6(), in.src) || p.gw && !p.hop.IsLinkLocalUnicast() ||
		!s.icmpLimit6.Allow(s.now(), in.src, s.tune(tV6ICMPRatelimit)*1e6) {
		return
	}
	const room = header.IPv6MinMTU - header.IPv6Size - header.NDRedirectSize - 8
	msg := make([]byte, header.NDRedirectSize, header.IPv6MinMTU)
	header.NDRedirect(msg).Encode(p.hop, in.dst)
	quoted := make([]byte, min(in.pkt.Len(), room)&^7)
	in.pkt.CopyTo(quoted, 0)
	msg = append(msg, byte(header.NDPOptRedirected), byte(1+len(quoted)/8), 0, 0, 0, 0, 0, 0)
	n.sendND(append(msg, quoted...), src, in.src)
}
