package ipv6

import (
	"encoding/binary"
	"net/netip"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// Walked is what a packet's extension headers say.
type Walked struct {
	Proto  header.Protocol // of what follows them
	Offset int             // of that in the packet
	// NextField is where the packet says Proto.
	NextField int
	// RouterAlert is the value of that option, if HasAlert.
	RouterAlert uint16
	HasAlert    bool
	// Routed says that there is a routing header.
	Routed bool

	Fragment       header.IPv6Fragment // if the packet is a part of one, or nil
	FragmentOffset int                 // where the fragment header stands
	FragmentField  int                 // where it is said that there is one
}

// Problem is an error that is to be sent about a packet.
type Problem struct {
	Code    header.ICMPv6Code // of a parameter problem
	Pointer uint32
}

// Result says what is to be done with a packet.
type Result uint8

// The results of Walk.
const (
	Accept    Result = iota
	Drop             // silently
	Report           // with a parameter problem
	Ignore           // silently, without an error being counted
	Misrouted        // a routing header in a packet to a group
)

// maxHead bounds the headers of a packet that are looked at.
const maxHead = 1 << 11

// The types of routing headers that lead to more stops only where an administrator
// has allowed it, which nobody can here: packets with one of them get no further.
const (
	routingRPL      = 3 // RFC 6554
	routingSegments = 4 // RFC 8754
)

// Walk goes through the extension headers of a packet that begins with its IPv6
// header, as RFC 8200 section 4 asks of its destination if arrived says that we are
// that, and of everybody else if not.
func Walk(p *buffer.Packet, arrived bool) (w Walked, problem Problem, r Result) {
	p.Pull(min(p.Len(), maxHead))
	h := header.IPv6(p.Head())
	group := h.DstAddr().IsMulticast()
	it := h.Extensions()
	for i := 0; ; i++ {
		at, field := it.Offset(), it.NextField()
		e, ok := it.Next()
		if !ok {
			break
		}
		switch k := e.Kind(); {
		case k == header.ProtocolHopByHop && i > 0:
			if arrived {
				return w, Problem{header.ICMPv6UnknownNext, uint32(field)}, Report
			}
		case k == header.ProtocolHopByHop, k == header.ProtocolDestOpts && arrived:
			if problem, r = options(&w, e.Options(), at+2, group); r != Accept {
				return w, problem, r
			}
		case k == header.ProtocolRouting && arrived:
			w.Routed = true
			switch t := e.Routing().Type(); {
			case group:
				return w, Problem{}, Misrouted
			case t == routingRPL || t == routingSegments:
				return w, Problem{}, Ignore
			case e.Routing().SegmentsLeft() != 0:
				return w, Problem{header.ICMPv6ErroneousHeader, uint32(at + 2)}, Report
			}
		case k == header.ProtocolFragment:
			w.Fragment, w.FragmentOffset, w.FragmentField = e.Fragment(), at, field
			if f := e.Fragment(); f.Offset() == 0 && !f.More() {
				// RFC 6946: an atomic fragment is a packet of its own.
				w.Fragment = nil
				continue
			}
			w.Proto, w.Offset, w.NextField = e.Next(), it.Offset(), it.NextField()
			return w, Problem{}, Accept
		}
	}
	if it.Err() {
		return w, Problem{header.ICMPv6ErroneousHeader, uint32(it.Offset())}, Report
	}
	w.Proto, w.Offset, w.NextField = it.Protocol(), it.Offset(), it.NextField()
	return w, Problem{}, Accept
}

// maxPadding is the most bytes of padding between two options: what aligns anything
// (RFC 4942 section 2.1.9.5).
const maxPadding = 7

// oddlyPadded reports whether options are padded by more than that, or by what is
// not zero: as Linux has it they may carry something, and are dropped.
func oddlyPadded(o header.IPv6Options) bool {
	padding := 0
	for i := 0; i < len(o); {
		n := 1
		if t := header.IPv6OptionType(o[i]); t != header.IPv6OptionPad1 {
			if i+1 >= len(o) || i+2+int(o[i+1]) > len(o) {
				return false // broken, which is told
			}
			n = 2 + int(o[i+1])
			if t != header.IPv6OptionPadN {
				padding, i = 0, i+n
				continue
			}
			for _, b := range o[i+2 : i+n] {
				if b != 0 {
					return true
				}
			}
		}
		if padding += n; padding > maxPadding {
			return true
		}
		i += n
	}
	return false
}

func options(w *Walked, o header.IPv6Options, at int, group bool) (Problem, Result) {
	if oddlyPadded(o) {
		return Problem{}, Drop
	}
	for {
		t, data, rest, off, ok := o.Next()
		if !ok {
			return Problem{header.ICMPv6ErroneousHeader, uint32(at + off)}, Report
		}
		if rest == nil && data == nil {
			return Problem{}, Accept
		}
		switch t {
		case header.IPv6OptionRouterAlert:
			if len(data) == 2 {
				w.RouterAlert, w.HasAlert = binary.BigEndian.Uint16(data), true
			}
		default:
			problem := Problem{header.ICMPv6UnknownOption, uint32(at + off)}
			switch t.Action() {
			case header.IPv6OptionDiscard:
				return problem, Drop
			case header.IPv6OptionReport:
				return problem, Report
			case header.IPv6OptionReportIfUnicast:
				if group {
					return problem, Drop
				}
				return problem, Report
			}
		}
		at += len(o) - len(rest)
		o = rest
	}
}

// SolicitedNode returns the group of a's neighbour solicitations.
func SolicitedNode(a netip.Addr) netip.Addr { return header.SolicitedNode(a) }
