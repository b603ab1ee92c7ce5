package packet

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/mem"
	"hull/sentry/usermem"
)

func TestRing(t *testing.T) {
	memory, err := mem.New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Release()
	const size, n = 128 << 10, 4
	g, blocks, err := newRing(memory, size, n)
	if err != nil {
		t.Fatal(err)
	}
	if g.size() != size*n || len(blocks) != n || memory.Usage() != size*n {
		t.Fatalf("%d bytes, %d blocks, %d in use", g.size(), len(blocks), memory.Usage())
	}
	// What the stack writes is what a mapping shows.
	blocks[2][4096+5] = 42
	s, err := g.Translate(2*size+4096, 1<<20, true)
	if err != nil || s.Len != size-4096 || !s.Mem {
		t.Fatalf("%+v, %v", s, err)
	}
	r := mem.Range{Start: s.Pos, End: s.Pos + s.Len}
	if memory.Slice(r)[5] != 42 {
		t.Error("another page")
	}
	if _, err := g.Translate(size*n, 1, false); err != unix.ENXIO {
		t.Error(err)
	}
	// A ring that is mapped stays, one that has retired is not mapped.
	whole := usermem.Range{Start: 0x10000, End: 0x10000 + size*n}
	if err := g.AddMapping(nil, whole, 0, true); err != nil || g.retire() {
		t.Fatalf("%v, or it retired with a mapping", err)
	}
	g.RemoveMapping(nil, usermem.Range{Start: whole.Start, End: whole.Start + 4096}, 0, true)
	if g.retire() {
		t.Error("retired with a part mapped")
	}
	g.RemoveMapping(nil, usermem.Range{Start: whole.Start + 4096, End: whole.End}, 4096, true)
	if !g.retire() {
		t.Error("does not retire")
	}
	if err := g.AddMapping(nil, whole, 0, true); err != unix.EINVAL {
		t.Error(err)
	}
	// Pages that are still mapped outlive it.
	g.free()
	if memory.Usage() != s.Len {
		t.Errorf("%d bytes are in use, want %d", memory.Usage(), s.Len)
	}
	memory.DecRef(r)
	if memory.Usage() != 0 {
		t.Errorf("%d bytes are left", memory.Usage())
	}
}
