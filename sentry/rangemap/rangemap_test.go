package rangemap

import (
	"math/rand/v2"
	"testing"
)

// slow is the same as a Map of offsets, one entry a byte.
type slow [64]int

func (s *slow) check(t *testing.T, m *Map[int]) {
	t.Helper()
	for k := range s {
		seg := m.Find(uint64(k))
		got := -1
		if seg != nil {
			got = seg.Val + k - int(seg.Start)
		}
		if got != s[k] {
			t.Fatalf("at %d: %d, want %d", k, got, s[k])
		}
	}
	for i := 1; i < m.Len(); i++ {
		if m.At(i-1).End > m.At(i).Start {
			t.Fatalf("segments %d and %d overlap", i-1, i)
		}
	}
}

// TestAgainstSlow replaces random intervals in a Map and in a plain array, and
// compares. A value counts up with the offset, so a wrong split shows.
func TestAgainstSlow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	split := func(v *int, by uint64) int { return *v + int(by) }
	for range 200 {
		var m Map[int]
		var s slow
		for i := range s {
			s[i] = -1
		}
		for range 40 {
			a, b := r.Uint64N(64), r.Uint64N(64)
			if a > b {
				a, b = b, a
			}
			m.SplitAt(a, split)
			m.SplitAt(b, split)
			if a == b {
				continue
			}
			i, j := m.Between(a, b)
			m.RemoveAt(i, j)
			v, remove := r.IntN(1000), r.IntN(3) == 0
			if !remove {
				m.Insert(Segment[int]{a, b, v})
			}
			for k := a; k < b; k++ {
				s[k] = v + int(k-a)
				if remove {
					s[k] = -1
				}
			}
			s.check(t, &m)
		}
	}
}

func TestGap(t *testing.T) {
	var m Map[int]
	m.Insert(Segment[int]{10, 20, 0})
	m.Insert(Segment[int]{30, 40, 0})
	for _, c := range []struct{ k, start, end uint64 }{{5, 0, 10}, {20, 20, 30}, {29, 20, 30}, {50, 40, 100}} {
		if s, e := m.Gap(c.k, 100); s != c.start || e != c.end {
			t.Errorf("Gap(%d) = %d, %d, want %d, %d", c.k, s, e, c.start, c.end)
		}
	}
}

func TestInsertOverPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	var m Map[int]
	m.Insert(Segment[int]{10, 20, 0})
	m.Insert(Segment[int]{19, 21, 0})
}
