package mm

import (
	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/rangemap"
	"hull/sentry/usermem"
)

// sharedAnon is memory of mmap(MAP_SHARED|MAP_ANONYMOUS): a file without a name
// that the address spaces that inherited it share. It ends with its last
// mapping.
type sharedAnon struct {
	m    *mem.File // immutable
	size uint64    // immutable: bytes

	mu struct {
		lock.Mutex[lock.FileMap]
		pages rangemap.Map[uint64] // by offset: where in sandbox memory
		maps  Mappings
		kept  bool // until Release, also without a mapping
	}
}

// Kept is shared memory that lasts until it is released, and then until its last
// mapping ends: System V shared memory.
type Kept struct{ *sharedAnon }

// NewKept returns size bytes of zeros.
func NewKept(m *mem.File, size uint64) Kept {
	a := newSharedAnon(m, size)
	a.mu.kept = true
	return Kept{a}
}

// Release gives the memory up.
func (k Kept) Release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.kept = false; k.mu.maps.Empty() {
		k.free(k.take(0, k.size))
	}
}

// Resident returns how many bytes of it have memory.
func (k Kept) Resident() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	var n uint64
	for i := range k.mu.pages.Len() {
		s := k.mu.pages.At(i)
		n += s.End - s.Start
	}
	return n
}

// sharedWindow is how much is allocated around a fault, in bytes.
const sharedWindow = 64 << 10

func newSharedAnon(m *mem.File, size uint64) *sharedAnon { return &sharedAnon{m: m, size: size} }

// Translate implements Mappable.
func (a *sharedAnon) Translate(off, length uint64, _ bool) (Segment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// mremap may have made a mapping longer than the memory was.
	if off >= a.size {
		return Segment{}, unix.ENXIO
	}
	length = min(length, a.size-off)
	s := a.mu.pages.Find(off)
	if s == nil {
		from := off &^ (sharedWindow - 1)
		start, end := a.mu.pages.Gap(off, a.size)
		start, end = max(start, from), min(end, from+sharedWindow)
		r, err := a.m.Allocate(end - start)
		if err != nil {
			return Segment{}, unix.ENOMEM
		}
		a.mu.pages.Insert(rangemap.Segment[uint64]{Start: start, End: end, Val: r.Start})
		s = a.mu.pages.Find(off)
	}
	n := min(length, s.End-off)
	pos := s.Val + off - s.Start
	a.m.IncRef(mem.Range{Start: pos, End: pos + n})
	return Segment{Off: off, Len: n, Pos: pos, Mem: true, Prot: allProt}, nil
}

// AddMapping implements Mappable.
func (a *sharedAnon) AddMapping(s Space, r usermem.Range, off uint64, writable bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.maps.Add(s, r, off, writable)
	return nil
}

// RemoveMapping implements Mappable.
func (a *sharedAnon) RemoveMapping(s Space, r usermem.Range, off uint64, _ bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.maps.Remove(s, r, off)
	if a.mu.maps.Empty() && !a.mu.kept {
		a.free(a.take(0, a.size))
	}
}

// PunchHole implements PunchHoler.
func (a *sharedAnon) PunchHole(off, length uint64) error {
	a.mu.Lock()
	gone, maps := a.take(off, off+length), a.mu.maps.Clone()
	a.mu.Unlock()
	maps.Invalidate(off, off+length, false)
	a.free(gone)
	return nil
}

// take takes the pages in [start, end) out; mu is held.
func (a *sharedAnon) take(start, end uint64) (gone []mem.Range) {
	m := &a.mu.pages
	split := func(pos *uint64, by uint64) uint64 { return *pos + by }
	m.SplitAt(start, split)
	m.SplitAt(end, split)
	i, j := m.Between(start, end)
	for k := i; k < j; k++ {
		s := m.At(k)
		gone = append(gone, mem.Range{Start: s.Val, End: s.Val + s.End - s.Start})
	}
	m.RemoveAt(i, j)
	return gone
}

func (a *sharedAnon) free(gone []mem.Range) {
	for _, r := range gone {
		a.m.DecRef(r)
	}
}

// MappedName implements Named for /proc/PID/maps: Linux shows such memory as a
// deleted file of an internal tmpfs.
func (a *sharedAnon) MappedName() (path string, dev, ino uint64) { return "/dev/zero (deleted)", 1, 1 }
