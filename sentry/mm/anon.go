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
		pages  rangemap.Map[uint64] // by offset: where in sandbox memory
		mapped uint64               // bytes that are mapped, counted per mapping
	}
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
func (a *sharedAnon) AddMapping(_ Space, r usermem.Range, _ uint64, _ bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.mapped += r.Len()
	return nil
}

// RemoveMapping implements Mappable.
func (a *sharedAnon) RemoveMapping(_ Space, r usermem.Range, _ uint64, _ bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.mapped -= r.Len()
	if a.mu.mapped > 0 {
		return
	}
	for i := range a.mu.pages.Len() {
		s := a.mu.pages.At(i)
		a.m.DecRef(mem.Range{Start: s.Val, End: s.Val + s.End - s.Start})
	}
	a.mu.pages.Clear()
}

// MappedName implements Named for /proc/PID/maps: Linux shows such memory as a
// deleted file of an internal tmpfs.
func (a *sharedAnon) MappedName() (path string, dev, ino uint64) { return "/dev/zero (deleted)", 1, 1 }
