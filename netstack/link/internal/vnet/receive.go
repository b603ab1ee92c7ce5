package vnet

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link/virtio"
)

const (
	// front is the room before a frame in its small chunk: that of a VLAN tag,
	// and what aligns the header of IP.
	front = 6
	// smallFrame is how much of a frame is in the small chunk.
	smallFrame = buffer.SmallChunk - front
	// largeFrame is how much more there can be.
	largeFrame = buffer.LargeChunk
)

// slot is where one message is received.
//
// Its chunks are taken from the pool by prepare and leave with the packet that
// take returns: the small one always, the large one if it is in use.
type slot struct {
	head         [virtio.HeaderSize]byte
	iov          [3]unix.Iovec
	control      [controlSize]byte
	small, large *buffer.Chunk
}

// controlSize is room for a tpacket_auxdata.
const controlSize = 48

// prepare makes the slot ready for a message.
func (s *slot) prepare(pool *buffer.Pool) {
	if s.large == nil {
		s.large = pool.Get(largeFrame)
		s.iov[2].Base = &s.large.Bytes()[0]
		s.iov[2].SetLen(largeFrame)
	}
	if s.small == nil {
		s.small = pool.Get(buffer.SmallChunk)
		s.iov[1].Base = &s.small.Bytes()[front]
		s.iov[1].SetLen(smallFrame)
	}
	s.iov[0].Base = &s.head[0]
	s.iov[0].SetLen(virtio.HeaderSize)
}

// drop gives the chunks back.
func (s *slot) drop() {
	for _, c := range []*buffer.Chunk{s.small, s.large} {
		if c != nil {
			c.Release()
		}
	}
	s.small, s.large, s.iov = nil, nil, [3]unix.Iovec{}
}

// take makes a packet of a message of n bytes; nil if it is none. vlan is the tag
// that the host took out of the frame.
func (s *slot) take(n int, vlan *tag, pool *buffer.Pool, now time.Time) *buffer.Packet {
	n -= virtio.HeaderSize
	if n < 1 || n > smallFrame+largeFrame {
		return nil
	}
	at := front
	if vlan != nil && n >= header.EthernetSize {
		at -= header.VLANSize
		b := s.small.Bytes()
		copy(b[at:], b[front:front+12])
		binary.BigEndian.PutUint16(b[at+12:], vlan.protocol)
		binary.BigEndian.PutUint16(b[at+14:], vlan.tci)
	}
	p := pool.Received(buffer.NewView(s.small, at, front+min(n, smallFrame)))
	s.small = nil
	if n > smallFrame {
		p.Append(buffer.NewView(s.large, 0, n-smallFrame))
		s.large = nil
	}
	p.Received = now
	if at < front { // the header counts from the start of the frame without the tag
		start := binary.LittleEndian.Uint16(s.head[6:])
		binary.LittleEndian.PutUint16(s.head[6:], start+header.VLANSize)
	}
	if !virtio.Decode(s.head[:], p) {
		p.Release()
		return nil
	}
	return p
}

// tag is a VLAN tag that stands beside a frame.
type tag struct{ protocol, tci uint16 }

// auxTag returns the tag in the control data of a message of an AF_PACKET socket
// (packet(7), PACKET_AUXDATA), nil if there is none.
//
//	0   struct cmsghdr (16)
//	16  struct tpacket_auxdata: status (4), lengths (8), offsets (4), tci (2), tpid (2)
func auxTag(control []byte) *tag {
	const size = 16 + 20
	if len(control) < size || binary.LittleEndian.Uint32(control[8:]) != unix.SOL_PACKET ||
		binary.LittleEndian.Uint32(control[12:]) != unix.PACKET_AUXDATA {
		return nil
	}
	status := binary.LittleEndian.Uint32(control[16:])
	if status&unix.TP_STATUS_VLAN_VALID == 0 {
		return nil
	}
	t := &tag{protocol: uint16(header.EtherTypeVLAN), tci: binary.LittleEndian.Uint16(control[32:])}
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		t.protocol = binary.LittleEndian.Uint16(control[34:])
	}
	return t
}
