// Package rangemap maps intervals of unsigned integers to values: the vmas of
// an address space, the pages behind them, the locks of a file.
//
// A Map is a sorted slice of disjoint segments. It has no lock, and never joins
// segments by itself: who owns the values knows which may be joined.
package rangemap

import "sort"

// Segment is [Start, End) and what is there.
type Segment[V any] struct {
	Start, End uint64
	Val        V
}

// Map is a set of disjoint segments in order. The zero Map is empty.
type Map[V any] struct{ segs []Segment[V] }

// Len returns how many segments there are.
func (m *Map[V]) Len() int { return len(m.segs) }

// At returns the segment at index i, to be read and changed in place; it is
// valid until the map changes.
func (m *Map[V]) At(i int) *Segment[V] { return &m.segs[i] }

// Search returns the index of the first segment that ends after k.
func (m *Map[V]) Search(k uint64) int {
	lo, hi := 0, len(m.segs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if m.segs[mid].End > k {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// Find returns the segment that k lies in, or nil.
func (m *Map[V]) Find(k uint64) *Segment[V] {
	if i := m.Search(k); i < len(m.segs) && m.segs[i].Start <= k {
		return &m.segs[i]
	}
	return nil
}

// Insert adds a segment where nothing is and returns its index. It panics if
// something is there, or the segment is empty: a bug of the caller.
func (m *Map[V]) Insert(s Segment[V]) int {
	i := m.Search(s.Start)
	if s.Start >= s.End || i < len(m.segs) && m.segs[i].Start < s.End {
		panic("rangemap: insert over a segment")
	}
	m.segs = append(m.segs, Segment[V]{})
	copy(m.segs[i+1:], m.segs[i:])
	m.segs[i] = s
	return i
}

// SplitAt makes sure that no segment crosses k. split returns the value of the
// part that begins by bytes after the segment's start, and may change v, the
// value of the part before it.
func (m *Map[V]) SplitAt(k uint64, split func(v *V, by uint64) V) {
	i := m.Search(k)
	if i == len(m.segs) || m.segs[i].Start >= k {
		return
	}
	s := m.segs[i]
	tail := Segment[V]{Start: k, End: s.End}
	tail.Val = split(&m.segs[i].Val, k-s.Start)
	m.segs[i].End = k
	m.segs = append(m.segs, Segment[V]{})
	copy(m.segs[i+2:], m.segs[i+1:])
	m.segs[i+1] = tail
}

// RemoveAt removes the segments with indexes [i, j).
func (m *Map[V]) RemoveAt(i, j int) {
	n := copy(m.segs[i:], m.segs[j:])
	clear(m.segs[i+n:])
	m.segs = m.segs[:i+n]
}

// Between returns the indexes [i, j) of the segments that lie in or touch into
// [start, end).
func (m *Map[V]) Between(start, end uint64) (i, j int) {
	i = m.Search(start)
	j = i + sort.Search(len(m.segs)-i, func(n int) bool { return m.segs[i+n].Start >= end })
	return i, j
}

// Gap returns the free space around k, which must be free: from the end of the
// segment before to the start of the one after, 0 and max where there is none.
func (m *Map[V]) Gap(k, max uint64) (start, end uint64) {
	i := m.Search(k)
	end = max
	if i < len(m.segs) {
		end = m.segs[i].Start
	}
	if i > 0 {
		start = m.segs[i-1].End
	}
	return start, end
}

// Clear removes everything.
func (m *Map[V]) Clear() { m.segs = nil }

// Clone returns a copy whose values are copied by assignment.
func (m *Map[V]) Clone() Map[V] { return Map[V]{append([]Segment[V](nil), m.segs...)} }
