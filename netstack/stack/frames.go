package stack

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/link"
)

// Tables of the families netdev, bridge and arp are asked about frames, where the
// others are asked about packets of IP: netdev's by each interface that its chains
// name, as the first and last thing; a bridge's at five places in the bridge; and
// arp's about what is said and heard.

// seesFrames reports whether a chain of the family sees frames. It costs little:
// every frame asks.
func (s *Stack) seesFrames(f filter.Family) bool {
	n := s.netfilter.Load()
	return n != nil && n.rules.SeesFrames(f)
}

// askFrame runs the chains of a family over a frame, which begins with the link's
// header, and owns it if it is dropped: false. at is the interface of netdev's.
func (s *Stack) askFrame(f filter.Family, h filter.Hook, p *buffer.Packet, in, out, at *NIC) bool {
	if s.dropsFrame(f, h, p, in, out, at) {
		p.Release()
		return false
	}
	return true
}

// askFrames is askFrame for several. It returns those that pass.
func (s *Stack) askFrames(f filter.Family, h filter.Hook, ps []*buffer.Packet, in, out, at *NIC) []*buffer.Packet {
	kept := ps[:0]
	for _, p := range ps {
		if s.askFrame(f, h, p, in, out, at) {
			kept = append(kept, p)
		}
	}
	return kept
}

// dropsFrame reports whether a frame is to be dropped, which stays the caller's. ARP
// that came in has no link's header any more.
func (s *Stack) dropsFrame(f filter.Family, h filter.Hook, p *buffer.Packet, in, out, at *NIC) bool {
	n := s.netfilter.Load()
	if n == nil {
		return false
	}
	nic := in
	if nic == nil {
		nic = out
	}
	size := nic.headerSize()
	if f == filter.ARP && in != nil {
		size = 0
	}
	x := n.pool.Get().(*filterContext)
	defer func() {
		*x = filterContext{}
		n.pool.Put(x)
	}()
	if !p.Pull(min(p.Len(), size+header.VLANSize)) || p.Len() < max(size, 1) {
		return false
	}
	x.Context = filter.Context{Now: s.now()}
	if in != nil {
		x.in = device(in)
		x.In, x.BridgeIn = &x.in, masterName(in)
	}
	if out != nil {
		x.out = device(out)
		x.Out, x.BridgeOut = &x.out, masterName(out)
	}
	name := ""
	if at != nil {
		name = at.Name()
	}
	b := p.Head()
	switch {
	case f == filter.ARP && size == 0:
		x.EtherType = unix.ETH_P_ARP
	case size == 0:
		x.EtherType = unix.ETH_P_IP
		if b[0]>>4 == 6 {
			x.EtherType = unix.ETH_P_IPV6
		}
	default:
		eth := header.Ethernet(b)
		x.EtherType = uint16(eth.Type())
		if eth.Type() == header.EtherTypeVLAN && len(b) >= size+header.VLANSize {
			// What is behind the tag is the packet; the tag is the link's.
			x.EtherType = binary.BigEndian.Uint16(b[size+2:])
			size += header.VLANSize
		}
		x.LinkHeader = b[:size:size]
		if nic.hw == link.Ethernet {
			x.PacketType = nic.frameType(link.Address(eth.Dst()))
		}
	}
	p.TrimFront(size)
	v := n.rules.RunFrame(f, h, name, p, &x.Context)
	p.Restore(size)
	return v == filter.Drop
}

// masterName is the bridge that an interface is a port of, "" for none.
func masterName(n *NIC) string {
	if b := n.master.Load(); b != nil {
		return b.nic.Name()
	}
	return ""
}
