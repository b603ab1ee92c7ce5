package stack

import (
	"io"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link/virtio"
)

// With PACKET_VNET_HDR each frame of a packet socket has a header of virtio-net
// before it, also in rings: what is left to be done to a frame stays left, so that
// whoever moves frames on (a virtual machine's device, most of all) need not cut
// and sum. What a sender says there is checked here; behind it nobody doubts it.

// mergedVnet is the length of the header with a count of buffers, struct
// virtio_net_hdr_mrg_rxbuf.
const mergedVnet = virtio.HeaderSize + 2

// setVnet is PACKET_VNET_HDR and PACKET_VNET_HDR_SZ: EINVAL, EBUSY with a ring.
func (x *packetSocket) setVnet(name int, value []byte) error {
	if x.typ != unix.SOCK_RAW {
		return unix.EINVAL
	}
	v, err := intValue(value)
	if err != nil {
		return err
	}
	switch {
	case name == unix.PACKET_VNET_HDR && v != 0:
		v = virtio.HeaderSize
	case v != 0 && v != virtio.HeaderSize && v != mergedVnet:
		return unix.EINVAL
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hasRing() {
		return unix.EBUSY
	}
	x.vnet = v
	return nil
}

// putVnet writes the header for a frame into all of b.
func putVnet(b []byte, p *buffer.Packet) {
	if len(b) == 0 {
		return
	}
	clear(b)
	virtio.Encode(b, p)
}

// writeVnet writes the header of a frame to dst, whose reader takes n bytes:
// EINVAL.
func (x *packetSocket) writeVnet(dst io.Writer, n, size int, p *buffer.Packet) error {
	if n < size {
		return unix.EINVAL
	}
	var h [mergedVnet]byte
	putVnet(h[:size], p)
	_, err := dst.Write(h[:size])
	return err
}

// checkVnet checks what a sender says before a frame of n bytes, and completes it:
// EINVAL.
func checkVnet(h []byte, n int) error {
	if _, end, needed := virtio.Sum(h); needed && end > virtio.HeadLen(h) {
		virtio.SetHeadLen(h, end)
	}
	if virtio.HeadLen(h) > n {
		return unix.EINVAL
	}
	return nil
}

// applyVnet has a frame of the interface be what its header says: EINVAL.
func (n *NIC) applyVnet(h []byte, p *buffer.Packet) error {
	start, end, needed := virtio.Sum(h)
	if needed && (start < header.IPv4MinSize || !p.Pull(end)) {
		return unix.EINVAL
	}
	if !virtio.Decode(h, p) {
		return unix.EINVAL
	}
	if p.Checksum == buffer.ChecksumValid {
		p.Checksum = buffer.ChecksumUnknown // he may say so, and be wrong
	}
	if p.GSO.Size == 0 {
		return nil
	}
	return n.applyGSO(p)
}

// applyGSO checks that a frame can be cut, by what it is. One that is no longer
// than a segment is none that has to be.
func (n *NIC) applyGSO(p *buffer.Packet) error {
	const maxSegments = 128 // of UDP: UDP_MAX_SEGMENTS
	if p.GSO.Size == 0xffff {
		return unix.EINVAL // GSO_BY_FRAGS
	}
	net := n.headerSize()
	if !p.Pull(min(p.Len(), net+maxIPHeader)) {
		return unix.EINVAL
	}
	start, v6, ok := transportStart(p, net)
	if !ok {
		return unix.EINVAL
	}
	size, at, proto := header.TCPMinSize, header.TCPChecksumOffset, header.ProtocolTCP
	if p.GSO.Type == buffer.GSOUDP {
		size, at, proto = header.UDPSize, header.UDPChecksumOffset, header.ProtocolUDP
	}
	switch partial := p.Checksum == buffer.ChecksumPartial; {
	case p.GSO.Type == buffer.GSOTCP4 && v6, p.GSO.Type == buffer.GSOTCP6 && !v6, !p.Pull(start + size),
		transportOf(p.Head()[net:], v6) != proto, !partial && proto == header.ProtocolUDP,
		partial && (int(p.ChecksumStart) != start || int(p.ChecksumOffset) != at):
		return unix.EINVAL
	}
	if proto == header.ProtocolTCP {
		if size = header.TCP(p.Head()[start:]).DataOffset(); size < header.TCPMinSize || !p.Pull(start+size) {
			return unix.EINVAL
		}
	}
	switch rest := p.Len() - start - size; {
	case proto == header.ProtocolUDP && rest > maxSegments*int(p.GSO.Size):
		return unix.EINVAL
	case rest <= int(p.GSO.Size):
		p.GSO = buffer.GSO{}
	}
	return nil
}

// transportOf is the protocol that an IP header and what extends it say.
func transportOf(b []byte, v6 bool) header.Protocol {
	if !v6 {
		return header.IPv4(b).Protocol()
	}
	it := header.IPv6(b).Extensions()
	for _, more := it.Next(); more; _, more = it.Next() {
	}
	return it.Protocol()
}

// NewFrame returns a frame of n bytes, which fill reads, as what came in at the
// interface with a header of virtio-net, if vnet is not empty: EINVAL, and the
// errors of fill.
func (n *NIC) NewFrame(vnet []byte, size int, fill func(b []byte) error) (*buffer.Packet, error) {
	if size <= 0 || size > maxPacketFrame {
		return nil, unix.EINVAL
	}
	if len(vnet) != 0 {
		if err := checkVnet(vnet, size); err != nil {
			return nil, err
		}
	}
	c := n.stack.cfg.Pool.Get(size)
	if err := fill(c.Bytes()[:size]); err != nil {
		c.Release()
		return nil, err
	}
	p := n.stack.cfg.Pool.Received(buffer.NewView(c, 0, size))
	p.NetOffset = min(n.headerSize(), size)
	if len(vnet) != 0 {
		if err := n.applyVnet(vnet[:virtio.HeaderSize], p); err != nil {
			p.Release()
			return nil, err
		}
	}
	return p, nil
}
