// Package packet has AF_PACKET sockets, packet(7): those of package inet, with
// rings of frames that a guest maps (PACKET_RX_RING, PACKET_TX_RING).
//
//   - It owns a ring's memory, which is the sandbox's, and its mappings.
//   - What is in the ring, and who may write where, is netstack/stack's affair.
package packet

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/socket"
	"hull/sentry/socket/inet"
	"hull/sentry/vfs"
)

const (
	solPacket = 263
	rxRing    = 5  // PACKET_RX_RING
	txRing    = 13 // PACKET_TX_RING
)

// The options about groups, linux/if_packet.h.
const (
	fanout     = 18 // PACKET_FANOUT
	fanoutData = 22 // PACKET_FANOUT_DATA
)

// Family makes packet sockets of a network.
type Family struct {
	net    *inet.Network // immutable
	memory *mem.File     // immutable: where rings are
}

// New returns the family over net's stack.
func New(net *inet.Network, memory *mem.File) *Family { return &Family{net, memory} }

var _ socket.Family = (*Family)(nil)

// Socket implements socket.Family.
func (f *Family) Socket(t current.Task, typ, protocol int32) (socket.Socket, error) {
	s, err := f.net.NewSock(t, unix.AF_PACKET, typ, protocol)
	if err != nil {
		return nil, err
	}
	return &Sock{Sock: s, memory: f.memory, rings: rings{memory: f.memory}}, nil
}

// Pair implements socket.Family.
func (f *Family) Pair(t current.Task, typ, protocol int32) (a, b socket.Socket, err error) {
	s, err := f.Socket(t, typ, protocol)
	if err != nil {
		return nil, nil, err
	}
	s.Release(t, nil)
	return nil, nil, unix.EOPNOTSUPP
}

// Sock is a packet socket.
type Sock struct {
	*inet.Sock
	memory *mem.File // immutable
	rings  rings
}

var (
	_ socket.Socket = (*Sock)(nil)
	_ vfs.Mapper    = (*Sock)(nil)
	_ vfs.Timed     = (*Sock)(nil)
)

// SetOption implements socket.Socket.
func (s *Sock) SetOption(t current.Task, level, name int32, value []byte) error {
	if level == solPacket {
		switch name {
		case rxRing, txRing:
			return s.setRing(value, name == txRing)
		case fanoutData:
			return s.setProgram(t, value)
		}
	}
	return s.Sock.SetOption(t, level, name, value)
}

// setProgram is PACKET_FANOUT_DATA, whose value is about what the group is: a
// program, or the descriptor of one.
func (s *Sock) setProgram(t current.Task, value []byte) error {
	b, err := s.Endpoint().Option(solPacket, fanout, 4, nil)
	if err != nil {
		return err
	}
	group, err := socket.Int(b)
	if err != nil {
		return err
	}
	switch group >> 16 & 0xff {
	case unix.PACKET_FANOUT_CBPF:
		prog, err := socket.CopyFilter(t, value)
		if err != nil {
			return err
		}
		return s.Sock.SetOption(t, solPacket, fanoutData, prog)
	case unix.PACKET_FANOUT_EBPF:
		return socket.AttachEBPF(t, value)
	}
	return unix.EINVAL
}

// setRing makes the ring that a struct tpacket_req or tpacket_req3 asks for, or
// ends it if it asks for no blocks. EBUSY while one is mapped.
func (s *Sock) setRing(value []byte, tx bool) error {
	x, ok := s.Endpoint().(stack.Ringer)
	if !ok {
		return unix.ENOPROTOOPT
	}
	if !s.rings.begin() {
		return unix.EBUSY
	}
	defer s.rings.end()
	r, err := x.ParseRing(value, tx)
	if err != nil {
		return err
	}
	if r.Blocks == 0 {
		if err := x.SetRing(r, nil, tx); err != nil {
			return err
		}
		s.rings.set(nil, tx)
		return nil
	}
	g, blocks, err := newRing(s.memory, uint64(r.BlockSize), r.Blocks)
	if err != nil {
		return err
	}
	if err := x.SetRing(r, blocks, tx); err != nil {
		g.free()
		return err
	}
	s.rings.set(g, tx)
	return nil
}

// Map implements vfs.Mapper: all of the rings, that of what arrives first, and
// nothing else.
func (s *Sock) Map(_ current.Task, _ *vfs.File, o *mm.MapOpts) (mm.Mappable, error) {
	n := s.rings.size()
	if n == 0 || o.Offset != 0 || o.Length != n || !o.Shared {
		return nil, unix.EINVAL
	}
	return &s.rings, nil
}

// Release implements vfs.FileImpl. Nothing is written to the rings any more, whose
// mappings keep their pages.
func (s *Sock) Release(t current.Task, f *vfs.File) {
	if x, ok := s.Endpoint().(stack.Ringer); ok {
		for _, tx := range [2]bool{false, true} {
			_ = x.SetRing(stack.RingRequest{}, nil, tx) // it does not fail without blocks
		}
	}
	s.Sock.Release(t, f)
	s.rings.set(nil, false)
	s.rings.set(nil, true)
}
