package mem

import (
	"testing"
	"time"
)

// Near the limit somebody looks once nobody takes memory any more; far from it, and
// when the pool is closed, nobody does.
func TestOnHunger(t *testing.T) {
	f, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	p := f.NewPool(0, 0)
	looks := make(chan struct{}, 100)
	p.OnHunger(func() { looks <- struct{}{} })
	take := func(n uint64) Range {
		t.Helper()
		r, _, err := p.Allocate(n)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a := take(1 << 20) // there is no limit
	p.SetLimit(64 << 20)
	b := take(1 << 20)
	time.Sleep(5 * firstLook)
	if len(looks) > 0 {
		t.Error("far from the limit somebody looked")
	}
	c := take(32 << 20)
	for range 3 {
		select {
		case <-looks:
		case <-time.After(10 * time.Second):
			t.Fatal("nobody looks")
		}
	}
	for _, r := range []Range{a, b, c} {
		p.DecRef(r)
	}
	p.Close()
}
