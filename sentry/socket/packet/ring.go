package packet

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// rings is the rings that a socket has: one of what arrives, and one of what is
// sent. They are mapped as one, in this order, and stay as they are while they are.
type rings struct {
	memory *mem.File // immutable
	mu     lock.Mutex[lock.FileMap]
	// Guarded by mu; nil for none.
	parts [2]*ring
	// mapped is how many bytes are mapped; guarded by mu, as the next one.
	mapped int64
	// changing: nothing can be mapped.
	changing bool
}

// begin has nobody map the rings until end. It is false if somebody has.
func (r *rings) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mapped != 0 || r.changing {
		return false
	}
	r.changing = true
	return true
}

func (r *rings) end() {
	r.mu.Lock()
	r.changing = false
	r.mu.Unlock()
}

// set replaces a ring; nobody writes to the old one any more.
func (r *rings) set(g *ring, tx bool) {
	i := 0
	if tx {
		i = 1
	}
	r.mu.Lock()
	old := r.parts[i]
	r.parts[i] = g
	r.mu.Unlock()
	if old != nil {
		old.free()
	}
}

// size is that of all rings, in bytes.
func (r *rings) size() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := uint64(0)
	for _, g := range r.parts {
		if g != nil {
			n += g.size()
		}
	}
	return n
}

var _ mm.Mappable = (*rings)(nil)

// Translate implements mm.Mappable.
func (r *rings) Translate(off, length uint64, _ bool) (mm.Segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := off
	for _, g := range r.parts {
		if g == nil {
			continue
		}
		if in >= g.size() {
			in -= g.size()
			continue
		}
		at := in % g.block
		start := g.blocks[in/g.block].Start + at
		n := min(length, g.block-at)
		r.memory.IncRef(mem.Range{Start: start, End: start + n})
		return mm.Segment{Off: off, Len: n, Pos: start, Mem: true, Prot: platform.Prot(unix.PROT_READ | unix.PROT_WRITE)}, nil
	}
	return mm.Segment{}, unix.ENXIO
}

// AddMapping implements mm.Mappable. The mapping's file keeps the socket, and so
// the rings.
func (r *rings) AddMapping(_ mm.Space, m usermem.Range, _ uint64, _ bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changing {
		return unix.EINVAL
	}
	r.mapped += int64(m.Len())
	return nil
}

// RemoveMapping implements mm.Mappable.
func (r *rings) RemoveMapping(_ mm.Space, m usermem.Range, _ uint64, _ bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mapped -= int64(m.Len())
}

// ring is blocks of the sandbox's memory, each with a reference on its pages from
// newRing to free.
type ring struct {
	memory *mem.File   // immutable
	block  uint64      // immutable: size of one, in bytes
	blocks []mem.Range // immutable
}

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
