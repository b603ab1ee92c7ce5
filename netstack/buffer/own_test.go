package buffer

import "testing"

// What one holder changes, another does not see.
func TestOwn(t *testing.T) {
	var pool Pool
	c := pool.Get(100)
	copy(c.Bytes(), "hello, world")
	p := pool.Received(NewView(c, 0, 12))
	p.TrimFront(7)
	q := p.Clone()
	if !p.Own(3) {
		t.Fatal("not owned")
	}
	copy(p.Head(), "WOR")
	if string(p.Head()) != "WORld" || string(q.Head()) != "world" {
		t.Errorf("the packet is %q, its clone %q", p.Head(), q.Head())
	}
	if p.Own(6) {
		t.Error("more bytes than there are")
	}
	q.Release()
	if !p.Own(5) || string(p.Head()) != "WORld" {
		t.Errorf("got %q", p.Head())
	}
	p.Restore(7)
	if string(p.Head()) != "hello, WORld" {
		t.Errorf("what was trimmed before is %q", p.Head())
	}
	p.Release()
}

// A header and its payload become one.
func TestOwnPulls(t *testing.T) {
	var pool Pool
	p := pool.NewPacket(pool.CopyIn([]byte("payload"))...)
	copy(p.Prepend(4), "head")
	if !p.Own(8) || string(p.Head()[:8]) != "headpayl" || p.Len() != 11 {
		t.Errorf("got %q of %d", p.Head(), p.Len())
	}
	p.Release()
}
