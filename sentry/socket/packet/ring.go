package packet

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// rings holds the ring that a socket has.
type rings struct {
	mu lock.Mutex[lock.Leaf]
	g  *ring // guarded by mu; nil for none
}

func (r *rings) get() *ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.g
}

// set replaces the ring; nobody writes to the old one any more.
func (r *rings) set(g *ring) {
	r.mu.Lock()
	old := r.g
	r.g = g
	r.mu.Unlock()
	if old != nil {
		old.free()
	}
}

// ring is blocks of the sandbox's memory, each with a reference on its pages from
// newRing to free. It is Mappable.
type ring struct {
	memory *mem.File   // immutable
	block  uint64      // immutable: size of one, in bytes
	blocks []mem.Range // immutable
	// mapped is how many bytes of it are mapped; below zero nothing of it can be
	// mapped any more.
	mapped atomic.Int64
}

// retire has nobody map the ring any more. It is false if somebody has. A socket
// without a ring has none to retire.
func (g *ring) retire() bool { return g == nil || g.mapped.CompareAndSwap(0, -1) }

// revive takes retire back.
func (g *ring) revive() {
	if g != nil {
		g.mapped.Store(0)
	}
}

var _ mm.Mappable = (*ring)(nil)

// newRing allocates n blocks, and returns the sentry's view of them.
func newRing(memory *mem.File, size uint64, n int) (*ring, [][]byte, error) {
	g := &ring{memory: memory, block: size}
	views := make([][]byte, 0, n)
	var crossing []mem.Range // what the sentry does not see in one piece
	defer func() {
		for _, r := range crossing {
			memory.DecRef(r)
		}
	}()
	for len(g.blocks) < n {
		r, err := memory.Allocate(size)
		if err != nil {
			g.free()
			return nil, nil, unix.ENOMEM
		}
		if b := memory.Slice(r); uint64(len(b)) == size {
			g.blocks, views = append(g.blocks, r), append(views, b)
			continue
		}
		if crossing = append(crossing, r); len(crossing) > n {
			g.free()
			return nil, nil, unix.ENOMEM // a block larger than any view
		}
	}
	return g, views, nil
}

func (g *ring) free() {
	for _, r := range g.blocks {
		g.memory.DecRef(r)
	}
}

func (g *ring) size() uint64 { return g.block * uint64(len(g.blocks)) }

// Translate implements mm.Mappable.
func (g *ring) Translate(off, length uint64, _ bool) (mm.Segment, error) {
	if off >= g.size() {
		return mm.Segment{}, unix.ENXIO
	}
	in := off % g.block
	start := g.blocks[off/g.block].Start + in
	n := min(length, g.block-in)
	g.memory.IncRef(mem.Range{Start: start, End: start + n})
	return mm.Segment{Off: off, Len: n, Pos: start, Mem: true, Prot: platform.Prot(unix.PROT_READ | unix.PROT_WRITE)}, nil
}

// AddMapping implements mm.Mappable. The mapping's file keeps the socket, and so
// the ring.
func (g *ring) AddMapping(_ mm.Space, r usermem.Range, _ uint64, _ bool) error {
	for {
		n := g.mapped.Load()
		if n < 0 {
			return unix.EINVAL
		}
		if g.mapped.CompareAndSwap(n, n+int64(r.Len())) {
			return nil
		}
	}
}

// RemoveMapping implements mm.Mappable.
func (g *ring) RemoveMapping(_ mm.Space, r usermem.Range, _ uint64, _ bool) {
	g.mapped.Add(-int64(r.Len()))
}
