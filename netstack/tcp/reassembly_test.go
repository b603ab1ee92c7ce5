package tcp

import (
	"sync/atomic"
	"testing"

	"hull/netstack/buffer"
)

// TestReassemblyIsBounded: of what comes out of order there are no more holes than
// maxRanges, and no more pieces than are worth their bytes; all is given back.
func TestReassemblyIsBounded(t *testing.T) {
	pool := buffer.Pool{Held: &atomic.Int64{}}
	piece := func(n int) []buffer.View { return []buffer.View{buffer.NewView(pool.Get(n), 0, n)} }
	for name, c := range map[string]struct {
		size, step         int
		ranges, mostPieces int
	}{
		"holes":        {1000, 1500, maxRanges, maxRanges},
		"small pieces": {1, 1, 1, 1050}, // that touch
		"small holes":  {1, 2, maxRanges, maxRanges + 1},
	} {
		var o reassembly
		taken := 0
		for i := range 5000 {
			if _, _, ok := o.insert(int64(1000+i*c.step), piece(c.size)); ok {
				taken++
			}
		}
		if len(o.ranges) != c.ranges || o.views > c.mostPieces || o.bytes > int64(taken*c.size) {
			t.Errorf("%s: %d ranges, %d pieces, %d bytes of %d", name, len(o.ranges), o.views, o.bytes, taken)
		}
		if held := pool.Held.Load(); held > int64(c.mostPieces)*buffer.SmallChunk {
			t.Errorf("%s: %d bytes of memory for %d", name, held, o.bytes)
		}
		// What fills a hole is taken still.
		if _, isNew, ok := o.insert(1000+int64(c.size), piece(c.step)); c.ranges > 1 && !o.full() && (!isNew || !ok) {
			t.Errorf("%s: what fills a hole is dropped", name)
		}
		o.drop()
		if n := pool.Held.Load(); n != 0 {
			t.Fatalf("%s: %d bytes are held", name, n)
		}
	}
}
