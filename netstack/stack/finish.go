package stack

import (
	"encoding/binary"
	"net/netip"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// finish does in software what the link of a NIC does not do by itself: it cuts
// large packets into segments and completes checksums. It takes frames.
func (n *NIC) finish(ps []*buffer.Packet) []*buffer.Packet {
	can := n.offload()
	all := true
	for _, x := range ps {
		if !able(x, can) {
			all = false
			break
		}
	}
	if all {
		return ps
	}
	out := make([]*buffer.Packet, 0, len(ps)+16)
	for _, x := range ps {
		switch {
		case able(x, can):
			out = append(out, x)
		case x.GSO.Size != 0 && !ableGSO(x, can):
			out = segment(out, x, can&link.TxChecksum == 0)
		default:
			fillSum(x, int(x.ChecksumStart), int(x.ChecksumOffset))
			out = append(out, x)
		}
	}
	return out
}

func ableGSO(x *buffer.Packet, can link.Offload) bool {
	switch x.GSO.Type {
	case buffer.GSOTCP4:
		return can&link.TSO4 != 0
	case buffer.GSOTCP6:
		return can&link.TSO6 != 0
	case buffer.GSOUDP:
		return can&link.USO != 0
	}
	return false
}

func able(x *buffer.Packet, can link.Offload) bool {
	if x.GSO.Size != 0 && !ableGSO(x, can) {
		return false
	}
	return x.Checksum != buffer.ChecksumPartial || can&link.TxChecksum != 0
}

// segment cuts a frame into such that have GSO.Size bytes of payload each, and
// appends them to out. It takes x over. fill asks for complete checksums.
func segment(out []*buffer.Packet, x *buffer.Packet, fill bool) []*buffer.Packet {
	defer x.Release()
	net := x.NetOffset
	if !x.Pull(min(x.Len(), net+maxIPHeader)) {
		return out
	}
	udp := x.GSO.Type == buffer.GSOUDP
	start, v6, ok := transportStart(x, net)
	if !ok {
		return out
	}
	whole := start + header.UDPSize
	if !udp {
		if x.Len() < start+header.TCPMinSize || !x.Pull(start+header.TCPMinSize) {
			return out
		}
		whole = start + header.TCP(x.Head()[start:]).DataOffset()
	}
	if !x.Pull(whole) || whole < start+header.UDPSize || !udp && whole < start+header.TCPMinSize {
		return out
	}
	head := append([]byte(nil), x.Head()[:whole]...)
	size, total := int(x.GSO.Size), x.Len()
	id := uint16(0)
	if !v6 {
		id = header.IPv4(head[net:]).ID()
	}
	for off, i := whole, 0; off < total || i == 0; off, i = off+size, i+1 {
		end := min(off+size, total)
		s := x.Pool().NewPacket(x.Range(off, end)...)
		b := s.Prepend(whole)
		copy(b, head)
		s.Received, s.Mark, s.Priority, s.NetOffset, s.Routed = x.Received, x.Mark, x.Priority, net, x.Routed
		setLength(b[net:], v6, whole-net+end-off, id+uint16(i))
		if udp {
			binary.BigEndian.PutUint16(b[start+4:], uint16(whole-start+end-off))
		} else {
			segmentTCP(b[start:], uint32(off-whole), i == 0, end == total)
		}
		sumSegment(s, b, net, start, v6, udp, fill)
		out = append(out, s)
	}
	return out
}

// transportStart finds the transport's header of a frame whose IP header is at net.
func transportStart(x *buffer.Packet, net int) (start int, v6, ok bool) {
	b := x.Head()
	if len(b) < net+1 {
		return 0, false, false
	}
	switch b[net] >> 4 {
	case 4:
		h := header.IPv4(b[net:])
		if len(h) < header.IPv4MinSize || h.IHL() < header.IPv4MinSize || h.IHL() > len(h) {
			return 0, false, false
		}
		return net + h.IHL(), false, true
	case 6:
		h := header.IPv6(b[net:])
		if len(h) < header.IPv6Size {
			return 0, false, false
		}
		it := h.Extensions()
		for _, more := it.Next(); more; _, more = it.Next() {
		}
		return net + it.Offset(), true, !it.Err()
	}
	return 0, false, false
}

// setLength writes the length of a packet of n bytes, its identification and the
// IP header's checksum.
func setLength(b []byte, v6 bool, n int, id uint16) {
	if v6 {
		header.IPv6(b).SetPayloadLen(uint16(n - header.IPv6Size))
		return
	}
	h := header.IPv4(b)
	h.SetTotalLen(uint16(n))
	h.SetID(id)
	h.UpdateChecksum()
}

// segmentTCP makes the header that of a segment off bytes into the packet: FIN and
// PSH stay with the last one, CWR with the first.
func segmentTCP(b []byte, off uint32, first, last bool) {
	binary.BigEndian.PutUint32(b[4:], binary.BigEndian.Uint32(b[4:])+off)
	flags := binary.BigEndian.Uint16(b[12:])
	if !first {
		flags &^= uint16(header.CWR)
	}
	if !last {
		flags &^= uint16(header.FIN | header.PSH)
	}
	binary.BigEndian.PutUint16(b[12:], flags)
}

func sumSegment(s *buffer.Packet, b []byte, net, start int, v6, udp, fill bool) {
	proto, at := header.ProtocolTCP, header.TCPChecksumOffset
	if udp {
		proto, at = header.ProtocolUDP, header.UDPChecksumOffset
	}
	src, dst := source46(b[net:start], v6)
	if v6 {
		dst = finalOf(b[net:start], dst)
	}
	sum := header.PseudoHeader(proto, src, dst, s.Len()-start)
	putUint16(b[start+at:], sum)
	s.Checksum, s.ChecksumStart, s.ChecksumOffset = buffer.ChecksumPartial, uint16(start), uint16(at)
	if fill {
		fillSum(s, start, at)
	}
}

// finalOf is the destination of a packet that is on its way to dst, by its headers h.
func finalOf(h header.IPv6, dst netip.Addr) netip.Addr {
	it := h.Extensions()
	for e, ok := it.Next(); ok; e, ok = it.Next() {
		if e.Kind() == header.ProtocolRouting {
			if end, more := e.Routing().Final(); more {
				return end
			}
		}
	}
	return dst
}

// source46 reads both addresses of an IP header.
func source46(b []byte, v6 bool) (src, dst netip.Addr) {
	if v6 {
		return header.IPv6(b).SrcAddr(), header.IPv6(b).DstAddr()
	}
	return header.IPv4(b).SrcAddr(), header.IPv4(b).DstAddr()
}
