package stack

import "hull/netstack/buffer"

// HookPoint is where a filter is asked: the hooks of netfilter.
type HookPoint uint8

// The points.
const (
	HookPrerouting HookPoint = iota
	HookInput
	HookForward
	HookOutput
	HookPostrouting
)

// Verdict is what a filter says of a packet.
type Verdict uint8

// The verdicts.
const (
	Accept Verdict = iota
	Drop
	Stolen // the filter owns the packet now
	Gather // of HookPrerouting: it is a fragment, and the filter wants to see the whole
)

// HookContext is what a filter is told besides the packet.
type HookContext struct {
	V6      bool
	In, Out *NIC // nil where there is none
	Now     int64
	Whole   bool // it was put together because the filter wanted to see it whole
	// Owner is who sent the packet, in HookOutput and HookPostrouting, if it is ours.
	Owner *Owner
}

// Filter is asked at each hook point. The packet begins with its IP header; it may be a
// fragment, but in HookInput and HookOutput. Its headers are contiguous and may be changed in place
// (buffer.Packet.Own makes more of it writable). In HookPrerouting and HookOutput
// a changed destination or mark changes the route. No lock is held.
type Filter interface {
	Hook(h HookPoint, p *buffer.Packet, c *HookContext) Verdict
}

// SetFilter has f asked at all hook points; nil is none, which costs nothing.
func (s *Stack) SetFilter(f Filter) {
	if f == nil {
		s.filter.Store(nil)
		return
	}
	s.filter.Store(&f)
}

// ownerOf returns a copy of who owns the socket, nil for none.
func (c *common) ownerOf() *Owner {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.owner
	return &o
}

// ask runs a hook over a packet: false if it is gone.
func (s *Stack) ask(h HookPoint, x *buffer.Packet, c *HookContext) bool {
	f := s.filter.Load()
	if f == nil {
		return true
	}
	x.Own(min(x.Len(), maxHookHeader))
	switch (*f).Hook(h, x, c) {
	case Drop:
		x.Release()
		return false
	case Stolen:
		return false
	}
	return true
}

// arrived asks the filter about a packet as it comes in, before it is known whom it is
// for. It reports whether in is to be gone on with.
func (in *inbound) arrived() bool {
	s := in.nic.stack
	f := s.filter.Load()
	if f == nil {
		return true
	}
	c := &in.b.hook
	for *c = (HookContext{V6: in.v6, In: in.nic, Now: in.b.now}); ; c.Whole = true {
		in.pkt.Own(min(in.pkt.Len(), maxHookHeader))
		switch (*f).Hook(HookPrerouting, in.pkt, c) {
		case Drop:
			in.pkt.Release()
			return false
		case Stolen:
			return false
		case Gather:
			if in.v6 && !s.wholeOf6(in, false) || !in.v6 && !s.reassemble4(in) {
				return false
			}
			if !c.Whole {
				continue
			}
		}
		return true
	}
}

// ask runs a hook over a packet that arrived, and may leave through out: false if
// it is gone.
func (in *inbound) ask(h HookPoint, out *NIC) bool {
	s := in.nic.stack
	if s.filter.Load() == nil {
		return true
	}
	c := &in.b.hook
	*c = HookContext{V6: in.v6, In: in.nic, Out: out, Now: in.b.now}
	return s.ask(h, in.pkt, c)
}

// maxHookHeader is how many bytes of a packet a filter finds contiguous and
// writable.
const maxHookHeader = 128
