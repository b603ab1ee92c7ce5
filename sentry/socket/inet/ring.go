package inet

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// rings is the ring of a packet socket: the memory that PACKET_RX_RING asked for,
// which the stack writes frames to and the guest maps. It lives as long as the
// socket, which a mapping keeps open, or until a request of no blocks.
type rings struct {
	lock.Mutex[lock.FileMap]
	r    stack.RingRequest
	at   []mem.Range // of each block; nil is no ring
	maps mm.Mappings
}

const packetRxRing = 5

var (
	_ vfs.Mapper  = (*Sock)(nil)
	_ mm.Mappable = (*Sock)(nil)
)

// setRing is PACKET_RX_RING: EINVAL, EBUSY, ENOMEM.
func (s *Sock) setRing(x stack.Ringer, value []byte) error {
	r, err := x.ParseRing(value)
	if err != nil {
		return err
	}
	g := &s.ring
	g.Lock()
	defer g.Unlock()
	if !g.maps.Empty() || r.Blocks != 0 && g.at != nil {
		return unix.EBUSY
	}
	if r.Blocks == 0 {
		err = x.SetRing(r, nil)
		s.freeRing()
		return err
	}
	m := s.n.Memory
	if m == nil {
		return unix.ENOMEM
	}
	blocks := make([][]byte, r.Blocks)
	g.r = r
	for i := range blocks {
		at, b, err := allocateBlock(m, r.BlockSize)
		if err != nil {
			s.freeRing()
			return err
		}
		g.at, blocks[i] = append(g.at, at), b
	}
	if err = x.SetRing(r, blocks); err != nil {
		s.freeRing()
	}
	return err
}

// allocateBlock allocates memory that the sentry sees in one piece.
func allocateBlock(m *mem.File, size int) (mem.Range, []byte, error) {
	var bad mem.Range
	for range 2 {
		r, err := m.Allocate(uint64(size))
		if bad.Len() > 0 {
			m.DecRef(bad)
		}
		if err != nil {
			return r, nil, err
		}
		if b := m.Slice(r); len(b) == size {
			return r, b, nil
		}
		bad = r // it lies across two of the sentry's mappings; what follows will not
	}
	m.DecRef(bad)
	return bad, nil, unix.ENOMEM
}

// freeRing gives the memory back, which the stack no longer writes to. The lock
// is held.
func (s *Sock) freeRing() {
	for _, r := range s.ring.at {
		s.n.Memory.DecRef(r)
	}
	s.ring.at = nil
}

// Map implements vfs.Mapper: the ring, whole. A socket without one is ENODEV, and
// a packet socket EINVAL.
func (s *Sock) Map(_ current.Task, _ *vfs.File, o *mm.MapOpts) (mm.Mappable, error) {
	if s.family != unix.AF_PACKET {
		return nil, unix.ENODEV
	}
	g := &s.ring
	g.Lock()
	defer g.Unlock()
	if g.at == nil || o.Offset != 0 || o.Length != uint64(g.r.BlockSize)*uint64(g.r.Blocks) {
		return nil, unix.EINVAL
	}
	return s, nil
}

// Translate implements mm.Mappable.
func (s *Sock) Translate(off, length uint64, _ bool) (mm.Segment, error) {
	g := &s.ring
	g.Lock()
	defer g.Unlock()
	size := uint64(g.r.BlockSize)
	if g.at == nil || off >= size*uint64(len(g.at)) {
		return mm.Segment{}, unix.ENXIO
	}
	r := g.at[off/size]
	r.Start += off % size
	r.End = min(r.End, r.Start+length)
	s.n.Memory.IncRef(r)
	return mm.Segment{Off: off, Len: r.Len(), Pos: r.Start, Mem: true, Prot: unix.PROT_READ | unix.PROT_WRITE}, nil
}

// AddMapping implements mm.Mappable.
func (s *Sock) AddMapping(sp mm.Space, r usermem.Range, off uint64, writable bool) error {
	s.ring.Lock()
	defer s.ring.Unlock()
	s.ring.maps.Add(sp, r, off, writable)
	return nil
}

// RemoveMapping implements mm.Mappable.
func (s *Sock) RemoveMapping(sp mm.Space, r usermem.Range, off uint64, _ bool) {
	s.ring.Lock()
	defer s.ring.Unlock()
	s.ring.maps.Remove(sp, r, off)
}
