package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// IPv6 is a header of IPv6 (RFC 8200), possibly with what follows it.
//
//	0   version (4 bits), traffic class (8), flow label (20)
//	4   payload length, extension headers included (2)
//	6   next header (1), hop limit (1)
//	8   source (16)
//	24  destination (16)
type IPv6 []byte

const (
	IPv6Size   = 40
	IPv6MinMTU = 1280 // the least that any link must carry
)

// IPv6Fields is what Encode writes.
type IPv6Fields struct {
	TrafficClass uint8
	FlowLabel    uint32
	PayloadLen   uint16
	Next         Protocol
	HopLimit     uint8
	Src, Dst     netip.Addr
}

// Valid reports whether h is a header whose payload is within a packet of size
// bytes.
func (h IPv6) Valid(size int) bool {
	return len(h) >= IPv6Size && h[0]>>4 == 6 && IPv6Size+int(h.PayloadLen()) <= size
}

// TrafficClass is DSCP and ECN.
func (h IPv6) TrafficClass() uint8 { return h[0]<<4 | h[1]>>4 }

// FlowLabel is the 20 bits of it.
func (h IPv6) FlowLabel() uint32 { return binary.BigEndian.Uint32(h) & 0xfffff }

// PayloadLen is the length of what follows the header.
func (h IPv6) PayloadLen() uint16 { return binary.BigEndian.Uint16(h[4:]) }

// Next is the first extension header, or what the packet carries.
func (h IPv6) Next() Protocol { return Protocol(h[6]) }

// HopLimit is the number of hops left.
func (h IPv6) HopLimit() uint8 { return h[7] }

// SrcAddr is the source.
func (h IPv6) SrcAddr() netip.Addr { return addr6(h[8:24]) }

// DstAddr is the destination.
func (h IPv6) DstAddr() netip.Addr { return addr6(h[24:40]) }

// Payload is what follows the header within its length, as far as it is in h.
func (h IPv6) Payload() []byte { return h[IPv6Size:min(IPv6Size+int(h.PayloadLen()), len(h))] }

// Encode writes the header.
func (h IPv6) Encode(f IPv6Fields) {
	_ = h[IPv6Size-1]
	binary.BigEndian.PutUint32(h, 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	binary.BigEndian.PutUint16(h[4:], f.PayloadLen)
	h[6], h[7] = uint8(f.Next), f.HopLimit
	putAddr6(h[8:], f.Src)
	putAddr6(h[24:], f.Dst)
}

// SetTrafficClass writes DSCP and ECN.
func (h IPv6) SetTrafficClass(tc uint8) {
	h[0] = h[0]&0xf0 | tc>>4
	h[1] = tc<<4 | h[1]&0x0f
}

// SetPayloadLen writes the length of what follows.
func (h IPv6) SetPayloadLen(n uint16) { binary.BigEndian.PutUint16(h[4:], n) }

// SetNext writes what follows the header.
func (h IPv6) SetNext(p Protocol) { h[6] = uint8(p) }

// SetHopLimit writes the number of hops left.
func (h IPv6) SetHopLimit(n uint8) { h[7] = n }

// SetSrcAddr writes the source.
func (h IPv6) SetSrcAddr(a netip.Addr) { putAddr6(h[8:], a) }

// SetDstAddr writes the destination.
func (h IPv6) SetDstAddr(a netip.Addr) { putAddr6(h[24:], a) }

// String prints the packet with what it carries, as far as it is in h.
func (h IPv6) String() string {
	if !h.Valid(0x1ffff) {
		return "IP6 [|ip6]"
	}
	s := "IP6 "
	if tc := h.TrafficClass(); tc&0xfc != 0 {
		s += "(class 0x" + strconv.FormatUint(uint64(tc), 16) + ") "
	}
	it := h.Extensions()
	for {
		e, ok := it.Next()
		if !ok {
			break
		}
		if e.Kind() == ProtocolFragment {
			f := e.Fragment()
			s += "frag (" + strconv.Itoa(f.Offset()) + "|" + strconv.Itoa(len(it.Rest())) + ") "
			if f.Offset() != 0 {
				return s + h.SrcAddr().String() + " > " + h.DstAddr().String() + ": " + f.Next().String()
			}
			continue
		}
		s += e.Kind().String() + " "
	}
	if it.Err() {
		return s + h.SrcAddr().String() + " > " + h.DstAddr().String() + ": [|ext]"
	}
	return s + flow(it.Protocol(), h.SrcAddr(), h.DstAddr(), it.Rest())
}

// SolicitedNode is the multicast group in which the owner of addr hears
// solicitations for it.
func SolicitedNode(addr netip.Addr) netip.Addr {
	b := addr.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// EUI64 is the address in a /64 prefix that is made of a hardware address (RFC
// 4291 appendix A).
func EUI64(prefix netip.Addr, hw [6]byte) netip.Addr {
	b := prefix.As16()
	copy(b[8:], []byte{hw[0] ^ 2, hw[1], hw[2], 0xff, 0xfe, hw[3], hw[4], hw[5]})
	return netip.AddrFrom16(b)
}

// IPv6AllNodes and IPv6AllRouters are the groups of a link that all of them join.
func IPv6AllNodes() netip.Addr   { return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1}) }
func IPv6AllRouters() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 2}) }
