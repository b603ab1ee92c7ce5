package buffer

import (
	"sync"
	"sync/atomic"
)

// The sizes of chunks in bytes. A small one holds a packet of Ethernet with its
// headroom, a large one the largest packet of IP and its headroom.
const (
	SmallChunk = 2048
	LargeChunk = 64<<10 + 256
)

// Chunk is pooled bytes. It goes back to its pool with its last reference.
type Chunk struct {
	refs atomic.Int32
	b    []byte
	pool *Pool
}

// Pool makes chunks and takes them back. The zero value is ready. It is safe
// for concurrent use.
type Pool struct {
	// Held, unless it is nil, counts the bytes of the chunks that are out: for
	// tests, which look for those that never come back. It is set before the first Get.
	Held *atomic.Int64

	small, large sync.Pool
	packets      sync.Pool
}

// Get returns a chunk of at least size bytes, of unspecified content, with one
// reference. size is at most LargeChunk.
func (p *Pool) Get(size int) *Chunk {
	pool, n := &p.small, SmallChunk
	if size > SmallChunk {
		pool, n = &p.large, LargeChunk
	}
	if size > n {
		panic("buffer: a chunk of more than LargeChunk bytes was asked for")
	}
	c, ok := pool.Get().(*Chunk)
	if !ok {
		c = &Chunk{b: make([]byte, n), pool: p}
	}
	if p.Held != nil {
		p.Held.Add(int64(n))
	}
	c.refs.Store(1)
	return c
}

func (p *Pool) put(c *Chunk) {
	if p.Held != nil {
		p.Held.Add(-int64(len(c.b)))
	}
	if len(c.b) == SmallChunk {
		p.small.Put(c)
	} else {
		p.large.Put(c)
	}
}

// Bytes is the whole of the chunk.
func (c *Chunk) Bytes() []byte { return c.b }

// Ref adds a reference.
func (c *Chunk) Ref() { c.refs.Add(1) }

// Release drops a reference.
func (c *Chunk) Release() {
	switch n := c.refs.Add(-1); {
	case n == 0:
		c.pool.put(c)
	case n < 0:
		panic("buffer: a chunk was released more often than it was held")
	}
}

// shared reports whether somebody else holds the chunk too.
func (c *Chunk) shared() bool { return c.refs.Load() > 1 }

// View is a range of a chunk and a reference to it. The zero View is empty.
type View struct {
	c        *Chunk
	off, end int
}

// NewView returns a view of b[off:end] of c. It takes over the caller's reference.
func NewView(c *Chunk, off, end int) View { return View{c, off, end} }

// CopyIn returns views with a copy of b, in as few chunks as it takes.
func (p *Pool) CopyIn(b []byte) []View {
	var vs []View
	for len(b) > 0 {
		c := p.Get(min(len(b), LargeChunk))
		n := copy(c.b, b)
		vs = append(vs, View{c, 0, n})
		b = b[n:]
	}
	return vs
}

// Bytes is what v shows, read-only.
func (v View) Bytes() []byte {
	if v.c == nil {
		return nil
	}
	return v.c.b[v.off:v.end]
}

// Len is the number of bytes.
func (v View) Len() int { return v.end - v.off }

// Sub returns a view of v[from:to] with a reference of its own.
func (v View) Sub(from, to int) View {
	if from < 0 || from > to || to > v.Len() {
		panic("buffer: a view out of its bounds")
	}
	if v.c != nil {
		v.c.Ref()
	}
	return View{v.c, v.off + from, v.off + to}
}

// Trim returns v without its first n bytes, with v's reference.
func (v View) Trim(n int) View {
	if n < 0 || n > v.Len() {
		panic("buffer: a view out of its bounds")
	}
	v.off += n
	return v
}

// Release drops the view's reference.
func (v View) Release() {
	if v.c != nil {
		v.c.Release()
	}
}

// Join returns a view of v and w if w's bytes directly follow v's in the same
// chunk. It takes over both references, or none.
func (v View) Join(w View) (View, bool) {
	if v.c == nil || v.c != w.c || v.end != w.off {
		return v, false
	}
	w.c.Release()
	v.end = w.end
	return v, true
}

// Extend returns v with a copy of b after it, if there is room in v's chunk and
// nobody else holds it.
func (v View) Extend(b []byte) (View, bool) {
	if v.c == nil || v.c.shared() || v.end+len(b) > len(v.c.b) {
		return v, false
	}
	v.end += copy(v.c.b[v.end:], b)
	return v, true
}

// Held is the size of the chunk that v keeps from its pool: what it costs.
func (v View) Held() int {
	if v.c == nil {
		return 0
	}
	return len(v.c.b)
}
