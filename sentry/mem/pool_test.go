package mem

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// What a pool freed comes back to it alone, cleared, and goes with it.
func TestPool(t *testing.T) {
	f, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	p, other := f.NewPool(4*pageSize, 0), f.NewPool(4*pageSize, 0)
	fill := func(r Range) { f.Each(r, func(b []byte) bool { b[0] = 1; return true }) }
	r, counted, err := p.Allocate(2 * pageSize)
	if err != nil || counted {
		t.Fatalf("fresh memory: %v, %v", counted, err)
	}
	fill(r)
	p.DecRef(r)
	if o, counted, err := other.Allocate(pageSize); err != nil || counted || o.Start == r.Start {
		t.Errorf("of another pool: %+v, %v, %v", o, counted, err)
	}
	if o, err := f.Allocate(pageSize); err != nil || o.Start == r.Start {
		t.Errorf("of none: %+v, %v", o, err)
	}
	again, counted, err := p.Allocate(2 * pageSize)
	if err != nil || !counted || again != r {
		t.Errorf("of its own: %+v, %v, %v", again, counted, err)
	}
	if !bytes.Equal(f.Slice(again), make([]byte, 2*pageSize)) {
		t.Error("not cleared")
	}
	big, _, err := p.Allocate(5 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	p.DecRef(big) // more than it keeps
	if p.cache.bytes != 0 {
		t.Errorf("%d bytes wait", p.cache.bytes)
	}
	p.DecRef(again)
	f.Trim()
	if p.cache.bytes != 0 {
		t.Errorf("%d bytes wait after Trim", p.cache.bytes)
	}
	late, _, err := p.Allocate(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.DecRef(late)
	if p.cache.bytes != 0 || len(f.mu.pools) != 1 {
		t.Errorf("%d bytes wait after Close, %d pools", p.cache.bytes, len(f.mu.pools))
	}
}

// Files in memory have less of it than all have.
func TestLimitFiles(t *testing.T) {
	f, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	p := f.NewPool(0, 0)
	defer p.Close()
	f.LimitFiles(4 * pageSize)
	r, err := f.Allocate(3 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Allocate(2 * pageSize); err != unix.ENOMEM {
		t.Errorf("more than there is for files: %v", err)
	}
	if _, _, err := p.Allocate(2 * pageSize); err != nil {
		t.Errorf("of a pool: %v", err)
	}
	f.DecRef(r)
	if _, err := f.Allocate(2 * pageSize); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// While memory is scarce the host is to know whose it is, the sentry has none of it
// mapped for long, and something is set aside until somebody was killed.
func TestScarcePool(t *testing.T) {
	f, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	const piece, scarce = 1 << 20, 8 << 20
	p := f.NewPool(0, scarce)
	defer p.Close()
	var all []Range
	take := func() (counted bool) {
		t.Helper()
		r, counted, err := p.Allocate(piece)
		if err != nil {
			t.Fatal(err)
		}
		f.Each(r, func(b []byte) bool { b[0], b[len(b)-1] = 1, 2; return true })
		all = append(all, r)
		return counted
	}
	for f.Usage() < scarce-piece {
		if !take() {
			t.Fatalf("with %d bytes in use the host is to be told", f.Usage())
		}
	}
	if take() || f.Usage() != scarce+reserveSize {
		t.Fatalf("with %d bytes in use nothing is scarce", f.Usage())
	}
	for range 8 {
		if take() {
			t.Error("the host is not to be told")
		}
	}
	for _, r := range all {
		if b := f.Slice(r); b[0] != 1 || b[piece-1] != 2 {
			t.Fatalf("%+v is lost", r)
		}
	}
	before := f.Usage()
	p.Relieve()
	p.Relieve() // there is nothing more
	if got := f.Usage(); got != before-reserveSize {
		t.Errorf("%d bytes less in use, want %d", before-got, reserveSize)
	}
	if take(); f.Usage() != before-reserveSize+piece {
		t.Error("something is set aside again, and memory is still scarce")
	}
	for _, r := range all {
		p.DecRef(r)
	}
	all = nil
	if !take() {
		t.Error("memory is still scarce, and there is enough")
	}
	for f.Usage() < scarce {
		take()
	}
	if f.Usage() != scarce+reserveSize {
		t.Errorf("%d bytes in use: nothing is set aside", f.Usage())
	}
}

// Where files have taken almost all, a pool says so before the host has to kill: unless
// it has so much that the host takes the right one.
func TestLimitPools(t *testing.T) {
	f, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	const files = 32 << 20
	f.LimitFiles(files)
	f.LimitPools(files + 4*pageSize)
	p := f.NewPool(0, pageSize)
	defer p.Close()
	small, _, err := p.Allocate(2 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Allocate(files - 2*pageSize - reserveSize) // the pool has set a reserve aside
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Allocate(pageSize); err != unix.ENOMEM {
		t.Errorf("another page of a file: %v", err)
	}
	last, _, err := p.Allocate(4 * pageSize)
	if err != nil {
		t.Errorf("the last pages: %v", err)
	}
	if _, _, err := p.Allocate(pageSize); err != unix.ENOMEM {
		t.Errorf("a page more: %v", err)
	}
	p.DecRef(small)
	p.DecRef(last)
	f.DecRef(all)
	if n := p.used.Load(); n != 0 {
		t.Errorf("the pool has %d bytes", n)
	}
	var have []Range
	for range 2 {
		r, _, err := p.Allocate(conspicuous)
		if err != nil {
			t.Fatalf("the host is not left to decide: %v", err)
		}
		have = append(have, r)
	}
	for _, r := range have {
		p.DecRef(r)
	}
}
