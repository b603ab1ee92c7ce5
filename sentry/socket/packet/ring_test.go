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
	x := &rings{memory: memory}
	x.set(g, true)
	first, _, err := newRing(memory, size, 1)
	if err != nil {
		t.Fatal(err)
	}
	x.set(first, false)
	if x.size() != size*(n+1) {
		t.Fatalf("%d bytes", x.size())
	}
	// What the stack writes is what a mapping shows.
	blocks[2][4096+5] = 42
	s, err := x.Translate(3*size+4096, 1<<20, true)
	if err != nil || s.Len != size-4096 || !s.Mem {
		t.Fatalf("%+v, %v", s, err)
	}
	r := mem.Range{Start: s.Pos, End: s.Pos + s.Len}
	if memory.Slice(r)[5] != 42 {
		t.Error("another page")
	}
	if _, err := x.Translate(size*(n+1), 1, false); err != unix.ENXIO {
		t.Error(err)
	}
	// Rings that are mapped stay, those that change are not mapped.
	whole := usermem.Range{Start: 0x10000, End: 0x10000 + size*n}
	if err := x.AddMapping(nil, whole, 0, true); err != nil || x.begin() {
		t.Fatalf("%v, or they change with a mapping", err)
	}
	x.RemoveMapping(nil, usermem.Range{Start: whole.Start, End: whole.Start + 4096}, 0, true)
	if x.begin() {
		t.Error("they change with a part mapped")
	}
	x.RemoveMapping(nil, usermem.Range{Start: whole.Start + 4096, End: whole.End}, 4096, true)
	if !x.begin() || x.begin() {
		t.Error("they do not change, or twice at once")
	}
	if err := x.AddMapping(nil, whole, 0, true); err != unix.EINVAL {
		t.Error(err)
	}
	x.end()
	x.set(nil, false)
	// Pages that are still mapped outlive it.
	x.set(nil, true)
	if memory.Usage() != s.Len {
		t.Errorf("%d bytes are in use, want %d", memory.Usage(), s.Len)
	}
	memory.DecRef(r)
	if memory.Usage() != 0 {
		t.Errorf("%d bytes are left", memory.Usage())
	}
}
