package mem

import (
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newFile(t *testing.T, limit uint64) *File {
	t.Helper()
	f, err := New(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Release)
	return f
}

// TestPagesComeZeroed allocates, dirties and frees ranges of all kinds, and
// looks that nothing of an earlier owner is ever seen, that no two owners have
// the same page, and that all is free in the end.
func TestPagesComeZeroed(t *testing.T) {
	f := newFile(t, 0)
	r := rand.New(rand.NewPCG(3, 4))
	type owned struct {
		Range
		mark byte
	}
	var have []owned
	check := func(o owned, want byte) {
		f.Each(o.Range, func(b []byte) bool {
			for _, c := range b {
				if c != want {
					t.Fatalf("found %d, want %d", c, want)
				}
			}
			return true
		})
	}
	for i := range 2000 {
		if len(have) > 0 && r.IntN(2) == 0 {
			k := r.IntN(len(have))
			check(have[k], have[k].mark)
			f.DecRef(have[k].Range)
			have = append(have[:k], have[k+1:]...)
			continue
		}
		rg, err := f.Allocate(uint64(1+r.IntN(60)) * pageSize)
		if err != nil {
			t.Fatal(err)
		}
		o := owned{rg, byte(i%255 + 1)}
		check(o, 0)
		f.Each(rg, func(b []byte) bool {
			for i := range b {
				b[i] = o.mark
			}
			return true
		})
		have = append(have, o)
	}
	for _, o := range have {
		f.DecRef(o.Range)
	}
	if n := f.Usage(); n != 0 {
		t.Errorf("%d bytes are still in use", n)
	}
	f.Trim()
	if f.mu.end != 0 || len(f.mu.free) != 0 {
		t.Errorf("end %d, %d free ranges after Trim", f.mu.end, len(f.mu.free))
	}
	var st unix.Stat_t
	if err := unix.Fstat(f.FD(), &st); err != nil || st.Blocks != 0 {
		t.Errorf("the host still holds %d blocks (%v)", st.Blocks, err)
	}
}

func TestReferences(t *testing.T) {
	f := newFile(t, 0)
	r, err := f.Allocate(4 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	half := Range{r.Start, r.Start + 2*pageSize}
	f.IncRef(half)
	if !f.Shared(r) || f.Shared(Range{half.End, r.End}) {
		t.Error("Shared is wrong")
	}
	f.DecRef(r)
	if n := f.Usage(); n != half.Len() {
		t.Errorf("%d bytes in use, want %d", n, half.Len())
	}
	f.DecRef(half)
	if n := f.Usage(); n != 0 {
		t.Errorf("%d bytes in use, want none", n)
	}
}

func TestLimit(t *testing.T) {
	f := newFile(t, 8*pageSize)
	r, err := f.Allocate(8 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Allocate(1); err != unix.ENOMEM {
		t.Errorf("over the limit: %v, want ENOMEM", err)
	}
	f.DecRef(r)
	if _, err := f.Allocate(1); err != nil {
		t.Errorf("after freeing: %v", err)
	}
}

// TestReleaseWaits: a look at the cache that is under way ends before the
// memfd is closed, whose number may be another file's next.
func TestReleaseWaits(t *testing.T) {
	m, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	looking, goOn, released := make(chan struct{}), make(chan struct{}), make(chan struct{})
	m.OnQuiet(func() { close(looking); <-goOn })
	r, err := m.Allocate(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	m.DecRef(r)
	<-looking
	go func() { m.Release(); close(released) }()
	select {
	case <-released:
		t.Error("released while the cache was looked at")
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	<-released
}
