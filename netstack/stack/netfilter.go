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
	x.Context = filter.Context{V6: c.V6, Now: c.Now, Whole: c.Whole}
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
