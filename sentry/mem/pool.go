package mem

// Pool is memory that the host counts apart from the rest: freed memory of it
// waits for its own next use, and is no other's. So what comes out of its cache is
// counted already.
type Pool struct {
	f     *File // immutable
	cache cache // guarded by f.mu
}

// NewPool returns a pool that keeps at most limit bytes of freed memory.
func (f *File) NewPool(limit uint64) *Pool {
	p := &Pool{f: f, cache: cache{limit: min(limit, cacheLimit)}}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.mu.released {
		f.mu.pools[p] = struct{}{}
	}
	return p
}

// Allocate is File.Allocate. counted says that the host counts the memory for the
// pool's users already, as they had it before; else it counts it for who touches it
// first.
func (p *Pool) Allocate(n uint64) (r Range, counted bool, err error) {
	return p.f.allocate(n, &p.cache)
}

// DecRef is File.DecRef of memory of the pool.
func (p *Pool) DecRef(r Range) { p.f.decRef(r, &p.cache) }

// Close gives what waits back to the host, now and from now on.
func (p *Pool) Close() {
	p.f.mu.Lock()
	gone := p.cache.drain()
	p.cache.limit = 0
	delete(p.f.mu.pools, p)
	p.f.mu.Unlock()
	p.f.giveBack(gone)
}
