package filter

import (
	"encoding/binary"
	"net/netip"

	"hull/netstack/buffer"
	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
)

// natDone are the bits of a connection about which a decision was made.
func natDone(src bool) conntrack.Status {
	if src {
		return conntrack.SrcDone
	}
	return conntrack.DstDone
}

// nat asks the nat chains about the connection of a packet that is its first, and
// translates the packet. It is false if the packet is to be dropped.
func (x *run) nat() bool {
	if x.ref == nil || x.ref.Conn == nil {
		return true
	}
	src := x.h == Postrouting || x.h == Input
	c := x.ref.Conn
	if x.ref.State == conntrack.New && c.Status()&(natDone(src)|conntrack.Confirmed) == 0 {
		for _, s := range x.set.natChains(x.h, x.c.V6) {
			v := x.base(&s)
			if v != Accept {
				return false
			}
			if c.Status()&natDone(src) != 0 {
				break
			}
		}
		// Nothing was said: it stays as it is, unless it clashes with another one.
		x.rules.conns.SetNAT(c, src, &conntrack.Range{}, x.c.Now)
	}
	to, ok := x.ref.Target(src)
	if !ok {
		return true
	}
	if x.pk.Error {
		return x.translateError(src, to)
	}
	return x.rewrite(src, to)
}

// l4Checksum is where the transport's checksum is; -1 if it has none.
func (x *run) l4Checksum() int {
	switch x.pk.Tuple.Proto {
	case header.ProtocolTCP:
		return x.pk.Transport + header.TCPChecksumOffset
	case header.ProtocolUDP, header.ProtocolUDPLite:
		return x.pk.Transport + header.UDPChecksumOffset
	case header.ProtocolICMPv6:
		return x.pk.Transport + header.ICMPv6ChecksumOffset
	}
	return -1
}

// fixL4 updates the transport's checksum at l4 after words whose sum was was became
// ones with the sum now. Of a checksum that the link completes only changes of the
// pseudo header are told; the caller knows which they are.
func (x *run) fixL4(b []byte, l4 int, was, now uint16) {
	if l4+2 > len(b) || x.p.Checksum == buffer.ChecksumPartial {
		return
	}
	f := binary.BigEndian.Uint16(b[l4:])
	udp := x.pk.Tuple.Proto == header.ProtocolUDP
	if udp && f == 0 {
		return // there is none
	}
	f = ^header.ChecksumAdd(header.ChecksumAdd(^f, ^was), now)
	if udp && f == 0 {
		f = 0xffff
	}
	binary.BigEndian.PutUint16(b[l4:], f)
}

// fixPseudo updates the transport's checksum after an address changed.
func (x *run) fixPseudo(b []byte, l4 int, was, now uint16) {
	if l4+2 <= len(b) && x.p.Checksum == buffer.ChecksumPartial {
		f := binary.BigEndian.Uint16(b[l4:])
		binary.BigEndian.PutUint16(b[l4:], header.ChecksumAdd(header.ChecksumAdd(f, ^was), now))
		return
	}
	x.fixL4(b, l4, was, now)
}

// rewrite gives the packet the source or destination of a tuple.
func (x *run) rewrite(src bool, to conntrack.Tuple) bool {
	end := x.pk.Transport
	l4 := x.l4Checksum()
	if !x.pk.Fragment {
		end = max(end+4, l4+2)
		if p := x.pk.Tuple.Proto; p == header.ProtocolICMP || p == header.ProtocolICMPv6 {
			end = x.pk.Transport + header.ICMPv4Size
		}
	}
	b := x.own(min(end, x.p.Len()))
	if b == nil {
		return false
	}
	addr, port := to.Dst, to.DstPort
	if src {
		addr, port = to.Src, to.SrcPort
	}
	was, now := setAddr(b, x.c.V6, src, addr)
	if l4 >= 0 && !x.pk.Fragment {
		x.fixPseudo(b, l4, was, now)
	}
	if !x.pk.Fragment && !x.pk.Short {
		x.setPort(b, src, port, to.SrcPort)
	}
	x.parse()
	return true
}

// setAddr writes an address into a header of IP, and returns the sums of the old one
// and the new one.
func setAddr(b []byte, v6, src bool, a netip.Addr) (was, now uint16) {
	if v6 {
		h := header.IPv6(b)
		if src {
			was = header.Checksum(b[8:24], 0)
			h.SetSrcAddr(a)
			return was, header.Checksum(b[8:24], 0)
		}
		was = header.Checksum(b[24:40], 0)
		h.SetDstAddr(a)
		return was, header.Checksum(b[24:40], 0)
	}
	h := header.IPv4(b)
	if src {
		was = header.Checksum(b[12:16], 0)
		h.SetSrcAddr(a)
		return was, header.Checksum(b[12:16], 0)
	}
	was = header.Checksum(b[16:20], 0)
	h.SetDstAddr(a)
	return was, header.Checksum(b[16:20], 0)
}

// setPort writes a port, or the identifier of an echo.
func (x *run) setPort(b []byte, src bool, port, id uint16) {
	at := x.pk.Transport
	switch x.pk.Tuple.Proto {
	case header.ProtocolTCP, header.ProtocolUDP, header.ProtocolUDPLite:
		if !src {
			at += 2
		}
		was := binary.BigEndian.Uint16(b[at:])
		binary.BigEndian.PutUint16(b[at:], port)
		x.fixL4(b, x.l4Checksum(), was, port)
	case header.ProtocolICMP, header.ProtocolICMPv6:
		// Both directions bear the identifier that the asking host chose; it is
		// the source's in both tuples.
		was := binary.BigEndian.Uint16(b[at+4:])
		binary.BigEndian.PutUint16(b[at+4:], id)
		sum := at + 2
		if x.pk.Tuple.Proto == header.ProtocolICMPv6 {
			x.fixL4(b, sum, was, id)
			return
		}
		f := binary.BigEndian.Uint16(b[sum:])
		binary.BigEndian.PutUint16(b[sum:], header.ChecksumUpdate(f, was, id))
	}
}

// translateError translates an error of ICMP: the packet that it quotes as that
// went out, and the error's own source or destination.
func (x *run) translateError(src bool, to conntrack.Tuple) bool {
	end := min(x.p.Len(), x.pk.Quoted+128)
	b := x.own(end)
	if b == nil || x.pk.Quoted >= end {
		return false
	}
	q := b[x.pk.Quoted:end]
	in, ok := conntrack.Parse(q, x.c.V6, len(q))
	if !ok {
		return false
	}
	// The quoted packet went the other way: what is the error's destination was
	// its source.
	was := header.Checksum(q[:len(q)&^1], 0)
	addr, port := to.Dst, to.DstPort
	if src {
		addr, port = to.Src, to.SrcPort
	}
	setAddr(q, x.c.V6, !src, addr)
	if at := in.Transport; !in.Fragment && at+4 <= len(q) {
		switch in.Tuple.Proto {
		case header.ProtocolTCP, header.ProtocolUDP, header.ProtocolUDPLite:
			if src {
				at += 2
			}
			binary.BigEndian.PutUint16(q[at:], port)
		case header.ProtocolICMP, header.ProtocolICMPv6:
			if at+6 <= len(q) {
				binary.BigEndian.PutUint16(q[at+4:], to.SrcPort)
			}
		}
	}
	now := header.Checksum(q[:len(q)&^1], 0)
	sum := x.pk.Transport + 2
	f := binary.BigEndian.Uint16(b[sum:])
	if x.p.Checksum != buffer.ChecksumPartial {
		binary.BigEndian.PutUint16(b[sum:], ^header.ChecksumAdd(header.ChecksumAdd(^f, ^was), now))
	}
	was, now = setAddr(b, x.c.V6, src, addr)
	if x.c.V6 {
		x.fixPseudo(b, sum, was, now)
	}
	x.parse()
	return true
}
