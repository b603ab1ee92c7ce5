package stack

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/route"
)

// netfilter is the Filter that nftables' rules make, and the Host that they ask.
type netfilter struct {
	stack *Stack
	rules *filter.Rules
	pool  sync.Pool // of *filterContext
}

// filterContext is what one call of the rules is given.
type filterContext struct {
	filter.Context
	in, out filter.Device
}

// Rules returns the packet filter of the namespace, which is made and attached with
// the first call.
func (s *Stack) Rules() *filter.Rules {
	if f := s.netfilter.Load(); f != nil {
		return f.rules
	}
	f := &netfilter{stack: s}
	f.pool.New = func() any { return new(filterContext) }
	f.rules = filter.New(filter.Config{Host: f, Now: s.cfg.Now, Wall: s.cfg.Wall, Random: s.cfg.Random})
	if !s.netfilter.CompareAndSwap(nil, f) {
		return s.netfilter.Load().rules
	}
	s.SetFilter(f)
	return f.rules
}

// HasRules reports whether Rules was ever called.
func (s *Stack) HasRules() bool { return s.netfilter.Load() != nil }

// Hook implements Filter.
func (f *netfilter) Hook(h HookPoint, p *buffer.Packet, c *HookContext) Verdict {
	if f.rules.Idle(filter.Hook(h), c.V6) {
		return Accept
	}
	x := f.pool.Get().(*filterContext)
	x.Context = filter.Context{V6: c.V6, Now: c.Now}
	if c.In != nil {
		x.in = device(c.In)
		x.In = &x.in
	}
	if c.Out != nil {
		x.out = device(c.Out)
		x.Out = &x.out
	}
	if c.Owner != nil {
		x.UID, x.GID, x.HasOwner = c.Owner.UID, c.Owner.GID, true
	}
	if h == HookPrerouting || h == HookInput {
		if n := p.NetOffset; n >= header.EthernetSize {
			x.LinkHeader = linkHeader(p, n)
		}
		x.PacketType = packetType(p, c.In, x.LinkHeader)
	}
	v := f.rules.Run(filter.Hook(h), p, &x.Context)
	*x = filterContext{}
	f.pool.Put(x)
	return Verdict(v)
}

// linkHeader is the bytes before the packet of IP that arrived.
func linkHeader(p *buffer.Packet, n int) []byte {
	if n > p.Trimmed() {
		return nil
	}
	p.Restore(n)
	b := p.Head()[:n:n]
	p.TrimFront(n)
	return b
}

// packetType is whom a frame was for, by its destination.
func packetType(p *buffer.Packet, n *NIC, frame []byte) uint8 {
	switch {
	case len(frame) < header.EthernetSize || n == nil:
		return unix.PACKET_HOST
	case frame[0]&1 == 0:
		return unix.PACKET_HOST
	case frame[0] == 0xff:
		return unix.PACKET_BROADCAST
	}
	return unix.PACKET_MULTICAST
}

func device(n *NIC) filter.Device {
	kind := string(n.kind)
	if n.kind == KindLoopback {
		kind = ""
	}
	return filter.Device{Index: n.index, Name: n.Name(), Kind: kind, HWType: uint16(n.hw), MTU: n.MTU(), Group: n.group.Load()}
}

// RejectICMP implements filter.Host.
func (f *netfilter) RejectICMP(h filter.Hook, p *buffer.Packet, c *filter.Context, typ, code uint8) {
	var nic *NIC
	if c.In != nil {
		nic = f.stack.NIC(c.In.Index)
	}
	multi := c.PacketType != unix.PACKET_HOST
	if c.V6 {
		f.stack.error6(p, nic, multi, header.ICMPv6Fields{Type: header.ICMPv6Type(typ), Code: header.ICMPv6Code(code)})
		return
	}
	f.stack.error4(p, nic, multi, header.ICMPv4Fields{Type: header.ICMPv4Type(typ), Code: header.ICMPv4Code(code)})
}

// RejectReset implements filter.Host: it answers a segment as a host without such
// a port would, RFC 9293 section 3.10.7.1.
func (f *netfilter) RejectReset(_ filter.Hook, p *buffer.Packet, c *filter.Context) {
	q := pathQuery{proto: unix.IPPROTO_TCP, anySource: true, mark: p.Mark}
	at := header.IPv6Size
	if c.V6 {
		h := header.IPv6(p.Head())
		q.src, q.dst = h.DstAddr(), h.SrcAddr()
		it := h.Extensions()
		for _, ok := it.Next(); ok; _, ok = it.Next() {
			at = it.Offset()
		}
	} else {
		h := header.IPv4(p.Head())
		q.src, q.dst, at = h.DstAddr(), h.SrcAddr(), h.IHL()
	}
	if q.src.IsMulticast() || len(p.Head()) < at+header.TCPMinSize {
		return
	}
	in := header.TCP(p.Head()[at:])
	n := p.Len() - at - in.DataOffset()
	r := header.TCPFields{SrcPort: in.DstPort(), DstPort: in.SrcPort(), Flags: header.RST}
	if in.Flags()&header.ACK != 0 {
		r.Seq = in.Ack()
	} else {
		r.Flags |= header.ACK
		r.Ack = in.Seq() + uint32(max(n, 0))
		if in.Flags()&header.SYN != 0 {
			r.Ack++
		}
		if in.Flags()&header.FIN != 0 {
			r.Ack++
		}
	}
	path, err := f.stack.findPath(&q)
	if err != nil {
		return
	}
	x := f.stack.cfg.Pool.NewPacket()
	header.TCP(x.Prepend(header.TCPMinSize)).Encode(r)
	_ = path.send([]*buffer.Packet{x}, &sendOptions{proto: unix.IPPROTO_TCP, checksum: header.TCPChecksumOffset, dontFrag: true, mark: q.mark})
}

// Route implements filter.Host.
func (f *netfilter) Route(src, dst netip.Addr, iif, oif int, mark uint32) (typ uint8, index int) {
	if dst.IsMulticast() {
		return unix.RTN_MULTICAST, 0
	}
	if dst.Is4() && limitedBroadcast(dst) {
		return unix.RTN_BROADCAST, 0
	}
	s := f.stack
	res, err := s.RIB(dst.Is6()).Lookup(&route.Flow{Dst: dst, IIF: iif, OIF: oif, Mark: mark})
	if res.Route == nil {
		return unix.RTN_UNSPEC, 0
	}
	if err != nil {
		return uint8(res.Route.Type), 0
	}
	return uint8(res.Route.Type), res.Hop.OIF
}

// Source implements filter.Host.
func (f *netfilter) Source(index int, dst netip.Addr) (netip.Addr, bool) {
	p, err := f.stack.findPath(&pathQuery{dst: dst, oif: index})
	if err == nil && p.src.IsValid() && !p.src.IsUnspecified() {
		if n := f.stack.NIC(index); n != nil && n.find(p.src) != nil {
			return p.src, true
		}
	}
	n := f.stack.NIC(index)
	if n == nil {
		return netip.Addr{}, false
	}
	list := n.list4()
	if dst.Is6() {
		list = n.list6()
	}
	for _, a := range list {
		if a.usable() {
			return a.Prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// Local implements filter.Host.
func (f *netfilter) Local(a netip.Addr, index int) bool { return f.stack.isLocal(a, index) }

// Log implements filter.Host.
func (f *netfilter) Log(level int, line string) {
	if log := f.stack.cfg.Log; log != nil {
		log(level, line)
	}
}
