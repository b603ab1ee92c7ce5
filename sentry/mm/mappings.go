package mm

import "hull/sentry/usermem"

// Mappings is where a file is mapped, for Mappables to keep. It has no lock of
// its own: the file's, of rank FileMap, guards it. The zero value is empty.
type Mappings struct{ list []mappedAt }

type mappedAt struct {
	s        Space
	r        usermem.Range
	off      uint64
	writable bool
}

// Add records an AddMapping.
func (m *Mappings) Add(s Space, r usermem.Range, off uint64, writable bool) {
	m.list = append(m.list, mappedAt{s, r, off, writable})
}

// Remove takes back an Add, or a part of one.
func (m *Mappings) Remove(s Space, r usermem.Range, off uint64) {
	for i := 0; i < len(m.list); i++ {
		e := m.list[i]
		// One space may map the same range anew before it removes the old
		// mapping, at another offset.
		if e.s != s || e.r.End <= r.Start || r.End <= e.r.Start || e.off-uint64(e.r.Start) != off-uint64(r.Start) {
			continue
		}
		last := len(m.list) - 1
		m.list[i] = m.list[last]
		m.list[last] = mappedAt{}
		m.list = m.list[:last]
		if r.End < e.r.End {
			m.Add(s, usermem.Range{Start: r.End, End: e.r.End}, e.off+uint64(r.End-e.r.Start), e.writable)
		}
		if e.r.Start < r.Start {
			m.Add(s, usermem.Range{Start: e.r.Start, End: r.Start}, e.off, e.writable)
		}
		return
	}
}

// Empty reports whether the file is mapped nowhere.
func (m *Mappings) Empty() bool { return len(m.list) == 0 }

// Writable reports whether somebody may write the file through a mapping.
func (m *Mappings) Writable() bool {
	for _, e := range m.list {
		if e.writable {
			return true
		}
	}
	return false
}

// Clone returns a copy, to be told of a change when the file's lock is no
// longer held.
func (m *Mappings) Clone() Mappings { return Mappings{append([]mappedAt(nil), m.list...)} }

// Invalidate has the spaces forget the file's bytes [start, end); private is as
// Space.Invalidate's. No lock of rank MMMapping or inner is held.
func (m *Mappings) Invalidate(start, end uint64, private bool) {
	for _, e := range m.list {
		from, to := max(start, e.off), min(end, e.off+e.r.Len())
		if from < to {
			at := e.r.Start - usermem.Addr(e.off)
			e.s.Invalidate(usermem.Range{Start: at + usermem.Addr(from), End: at + usermem.Addr(to)}, private)
		}
	}
}
