package header

import (
	"encoding/binary"
	"net/netip"
)

// maxExtensions bounds the extension headers of one packet that are looked at.
const maxExtensions = 16

// IPv6Extension is one extension header: its bytes and its kind.
//
//	0  next header (1)
//	1  length in 8 bytes beyond the first 8 (1); in 4 bytes beyond 8 for AH
//	2  data
type IPv6Extension struct {
	kind Protocol
	b    []byte
}

// Kind is the protocol number of the extension header.
func (e IPv6Extension) Kind() Protocol { return e.kind }

// Next is what follows the extension header.
func (e IPv6Extension) Next() Protocol { return Protocol(e.b[0]) }

// Bytes is all of the extension header.
func (e IPv6Extension) Bytes() []byte { return e.b }

// Fragment is the view of a fragment header, whose Kind is ProtocolFragment.
func (e IPv6Extension) Fragment() IPv6Fragment { return IPv6Fragment(e.b) }

// Routing is the view of a routing header, whose Kind is ProtocolRouting.
func (e IPv6Extension) Routing() IPv6Routing { return IPv6Routing(e.b) }

// Options is the options of a header of hop-by-hop or destination options.
func (e IPv6Extension) Options() IPv6Options { return IPv6Options(e.b[2:]) }

// IPv6Extensions walks the extension headers of a packet:
//
//	it := h.Extensions()
//	for e, ok := it.Next(); ok; e, ok = it.Next() { … }
//	if it.Err() { … it.Offset() is the broken header's … }
//	// it.Protocol() is in it.Rest(), it.Offset() bytes into the packet
//
// It goes on after a fragment header of offset zero, whose payload begins as the
// whole one does, and ends after another: Rest is then a part of a payload.
type IPv6Extensions struct {
	kind   Protocol
	rest   []byte
	offset int // of rest in the packet
	field  int // of the byte in the packet that said kind
	count  int
	err    bool
	done   bool
}

// Extensions returns a walk of the extension headers as far as they are in h.
func (h IPv6) Extensions() IPv6Extensions {
	return IPv6Extensions{kind: h.Next(), rest: h.Payload(), offset: IPv6Size, field: 6}
}

// WalkIPv6Extensions returns a walk of b, which follows a header that said first.
func WalkIPv6Extensions(first Protocol, b []byte) IPv6Extensions {
	return IPv6Extensions{kind: first, rest: b}
}

// Next is the next extension header, if there is one.
func (it *IPv6Extensions) Next() (IPv6Extension, bool) {
	if it.err || it.done {
		return IPv6Extension{}, false
	}
	n := 0
	switch it.kind {
	case ProtocolHopByHop, ProtocolRouting, ProtocolDestOpts, ProtocolMobility:
		if len(it.rest) >= 2 {
			n = 8 + int(it.rest[1])*8
		}
	case ProtocolFragment:
		n = IPv6FragmentSize
	case ProtocolAH:
		if len(it.rest) >= 2 {
			n = 8 + int(it.rest[1])*4
		}
	default:
		it.done = true
		return IPv6Extension{}, false
	}
	it.count++
	if n == 0 || n > len(it.rest) || it.count > maxExtensions {
		it.err = true
		return IPv6Extension{}, false
	}
	e := IPv6Extension{it.kind, it.rest[:n]}
	it.kind, it.rest = e.Next(), it.rest[n:]
	it.field = it.offset
	it.offset += n
	it.done = e.kind == ProtocolFragment && e.Fragment().Offset() != 0
	return e, true
}

// Err reports whether the walk ended at a header that is cut off, or after too
// many.
func (it *IPv6Extensions) Err() bool { return it.err }

// Protocol is what Rest is, when the walk is over.
func (it *IPv6Extensions) Protocol() Protocol { return it.kind }

// Rest is what follows the extension headers that were walked.
func (it *IPv6Extensions) Rest() []byte { return it.rest }

// Offset is where Rest starts in the packet.
func (it *IPv6Extensions) Offset() int { return it.offset }

// NextField is where the byte that says Protocol stands in the packet, for a
// parameter problem and to take a fragment header out.
func (it *IPv6Extensions) NextField() int { return it.field }

// IPv6Fragment is a fragment header.
//
//	0  next header (1), reserved (1)
//	2  offset in 8 bytes (13 bits), reserved (2), more fragments (1)
//	4  identification (4)
type IPv6Fragment []byte

// IPv6FragmentSize is the length of the header in bytes.
const IPv6FragmentSize = 8

// IPv6FragmentFields is what Encode writes.
type IPv6FragmentFields struct {
	Next   Protocol
	Offset int // in bytes, a multiple of 8
	More   bool
	ID     uint32
}

// Valid reports whether the header is all there.
func (h IPv6Fragment) Valid() bool { return len(h) >= IPv6FragmentSize }

// Next is what the fragments carry.
func (h IPv6Fragment) Next() Protocol { return Protocol(h[0]) }

// Offset is where the payload belongs in the whole one, in bytes.
func (h IPv6Fragment) Offset() int { return int(binary.BigEndian.Uint16(h[2:]) &^ 7) }

// More says that there are fragments behind this one.
func (h IPv6Fragment) More() bool { return h[3]&1 != 0 }

// ID is what the fragments of a packet share.
func (h IPv6Fragment) ID() uint32 { return binary.BigEndian.Uint32(h[4:]) }

// Encode writes the header.
func (h IPv6Fragment) Encode(f IPv6FragmentFields) {
	h[0], h[1] = uint8(f.Next), 0
	v := uint16(f.Offset) &^ 7
	if f.More {
		v |= 1
	}
	binary.BigEndian.PutUint16(h[2:], v)
	binary.BigEndian.PutUint32(h[4:], f.ID)
}

// IPv6Routing is a routing header.
//
//	0  next header (1), length (1)
//	2  type (1), segments left (1)
type IPv6Routing []byte

// Type is the kind of routing header; 0 is forbidden (RFC 5095).
func (h IPv6Routing) Type() uint8 { return h[2] }

// SegmentsLeft is how many stations are ahead; if 0 the header is passed over.
func (h IPv6Routing) SegmentsLeft() uint8 { return h[3] }

// Segment is stop i of a header of type 4 (RFC 8754): stop 0 is the destination.
// The header must have it.
func (h IPv6Routing) Segment(i int) netip.Addr {
	return netip.AddrFrom16([16]byte(h[routingSize+16*i:]))
}

// SetSegment writes stop i.
func (h IPv6Routing) SetSegment(i int, a netip.Addr) {
	b := a.As16()
	copy(h[routingSize+16*i:], b[:])
}

// routingSize is the length of a routing header without its addresses.
const routingSize = 8

// ValidSegments reports whether the header, all of h, is one of type 4 whose list of
// segments has the ones that are left, and is followed by whole TLVs, RFC 8754
// section 2.
//
//	4  index of the last one listed (1), flags (1), tag (2)
//	8  segments (16 each), from the last stop to the first
func (h IPv6Routing) ValidSegments() bool {
	if len(h) < routingSize || len(h) != (int(h[1])+1)*8 || h.Type() != 4 {
		return false
	}
	last := int(h[4])
	at := routingSize + 16*(last+1)
	if int(h.SegmentsLeft()) > last || at > len(h) {
		return false
	}
	for at < len(h) {
		if at+2 > len(h) {
			return false
		}
		at += 2 + int(h[at+1])
	}
	return at == len(h)
}

// Final is where a packet goes in the end that a header of type 4 routes on, if it
// is not there yet.
func (h IPv6Routing) Final() (netip.Addr, bool) {
	if h.Type() != 4 || h.SegmentsLeft() == 0 || len(h) < routingSize+16 {
		return netip.Addr{}, false
	}
	return h.Segment(0), true
}

// IPv6Options is a list of hop-by-hop or destination options: a type and a
// length of the data each, but for the first kind of padding.
type IPv6Options []byte

// IPv6OptionType is the first byte of an option. Its two top bits say what is to
// be done with a packet if the option is not known.
type IPv6OptionType uint8

const (
	IPv6OptionPad1        IPv6OptionType = 0
	IPv6OptionPadN        IPv6OptionType = 1
	IPv6OptionRouterAlert IPv6OptionType = 5
	IPv6OptionJumbo       IPv6OptionType = 0xc2
)

// IPv6OptionAction is what is to be done with an option that is not known.
type IPv6OptionAction uint8

const (
	IPv6OptionSkip            IPv6OptionAction = iota
	IPv6OptionDiscard                          // silently
	IPv6OptionReport                           // discard and send a parameter problem
	IPv6OptionReportIfUnicast                  // likewise, unless the destination is multicast
)

// Action is what the type's top bits say.
func (t IPv6OptionType) Action() IPv6OptionAction { return IPv6OptionAction(t >> 6) }

// Next splits the first option off, padding passed over. At the end data and
// rest are nil and ok is true; ok is false if the list is broken. at is where
// the option stands in o.
func (o IPv6Options) Next() (t IPv6OptionType, data []byte, rest IPv6Options, at int, ok bool) {
	for at < len(o) {
		t = IPv6OptionType(o[at])
		if t == IPv6OptionPad1 {
			at++
			continue
		}
		if len(o)-at < 2 || len(o)-at-2 < int(o[at+1]) {
			return 0, nil, nil, at, false
		}
		end := at + 2 + int(o[at+1])
		if t == IPv6OptionPadN {
			at = end
			continue
		}
		return t, o[at+2 : end : end], o[end:], at, true
	}
	return 0, nil, nil, at, true
}
