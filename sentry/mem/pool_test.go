package mem

import (
	"bytes"
	"testing"
)

// What a pool freed comes back to it alone, cleared, and goes with it.
func TestPool(t *testing.T) {
	f, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	p, other := f.NewPool(4*pageSize), f.NewPool(4*pageSize)
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
