package stack

import (
	"encoding/binary"

	"hull/netstack/bpf"
	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// runFilter runs a socket's filter over a packet as the socket sees it, and
// returns how many bytes of it are accepted; 0 is none.
func (s *Stack) runFilter(f *bpf.Program, p *buffer.Packet, r *received) int {
	b := bpf.Packet{
		Data: p.Head(), Len: p.Len(), Tail: p.CopyTo, IfIndex: uint32(r.nic.index), HWType: uint16(r.nic.hw), Mark: p.Mark,
		Protocol: uint16(etherType(r.v6)), Random: uint32(s.randomUint64()),
	}
	return runBPF(f, p, &b)
}

// runBPF runs a filter over a packet and returns how many bytes are accepted.
func runBPF(f *bpf.Program, p *buffer.Packet, b *bpf.Packet) int {
	return int(min(int64(f.Run(seen(p, b))), int64(p.Len())))
}

// seen puts into b what is before a packet's data: its trimmed headers.
func seen(p *buffer.Packet, b *bpf.Packet) *bpf.Packet {
	if k := p.Trimmed(); k > 0 {
		p.Restore(k)
		b.Before = p.Head()[:k]
		p.TrimFront(k)
		b.Data = p.Head()
		b.Link, b.Net = -k, p.NetOffset-k
	} else {
		b.Net = p.NetOffset
	}
	return b
}

// payloadAt is where the transport's payload starts in a frame whose network's
// header is at net: SKF_AD_PAY_OFFSET.
func payloadAt(p *buffer.Packet, net int) uint32 {
	start, _, ok := transportStart(p, net)
	if !ok {
		return uint32(net)
	}
	b := p.Head()
	proto := header.Protocol(0)
	if b[net]>>4 == 4 {
		proto = header.IPv4(b[net:]).Protocol()
	} else {
		it := header.IPv6(b[net:]).Extensions()
		for _, more := it.Next(); more; _, more = it.Next() {
		}
		proto = it.Protocol()
	}
	switch {
	case proto == header.ProtocolUDP, proto == header.ProtocolUDPLite, proto == header.ProtocolICMP, proto == header.ProtocolICMPv6:
		start += header.UDPSize
	case proto == header.ProtocolTCP && len(b) >= start+header.TCPMinSize:
		start += header.TCP(b[start:]).DataOffset()
	}
	return uint32(start)
}

// networkOrder turns a 16-bit number of a sockaddr or of socket(2) around.
func networkOrder(v uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v))
}

// hwOf is the hardware address that a frame came from.
func hwOf(p *buffer.Packet, n *NIC) (link.Address, uint8) {
	if n.headerSize() == 0 || len(p.Head()) < header.EthernetSize {
		return link.Address{}, 0
	}
	return link.Address(header.Ethernet(p.Head()).Src()), 6
}
