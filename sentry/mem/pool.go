package mem

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Pool is memory that the host counts apart from the rest: freed memory of it
// waits for its own next use, and is no other's. So what comes out of its cache is
// counted already.
type Pool struct {
	f      *File  // immutable
	scarce uint64 // immutable: with so many bytes in use, who touches memory first matters
	cache  cache  // guarded by f.mu

	used    atomic.Int64  // bytes of it that have references, about
	touched atomic.Uint64 // bytes given out since the last recede, when memory was scarce
	urgent  atomic.Bool   // see Urgent
	held    atomic.Bool   // there is a reserve, or was since memory became scarce
	reserve Range         // guarded by f.mu: what Relieve gives back
	watch   watch
}

// reserveSize is how much a pool sets aside when memory becomes scarce, in bytes.
const reserveSize = 1 << 20

// conspicuous is how much a guest has mapped that the host takes for the process that
// has most, in bytes: more than a sentry, its program included.
const conspicuous = 24 << 20

// NewPool returns a pool that keeps at most limit bytes of freed memory. Until
// scarce bytes of the file are in use it does not matter who touches them first.
func (f *File) NewPool(limit, scarce uint64) *Pool {
	p := &Pool{f: f, scarce: scarce, cache: cache{limit: min(limit, cacheLimit)}}
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
//
// When the host has no more memory for the sandbox it kills the process that has
// most of it mapped. That is not to be the sentry, so it lets go of what it has
// mapped while memory is scarce. Where files have taken so much that nobody else can
// have more mapped than the sentry, there is ENOMEM before it comes to that.
func (p *Pool) Allocate(n uint64) (r Range, counted bool, err error) {
	if l := p.f.scanty.Load(); l != 0 && p.scarce != 0 && p.f.Usage()+n > l && p.used.Load() < conspicuous {
		return Range{}, false, unix.ENOMEM
	}
	r, counted, err = p.f.allocate(n, &p.cache)
	if err == nil {
		p.used.Add(int64(r.Len()))
		p.watch.stir(uint64(p.used.Load()))
	}
	if p.scarce == 0 || err != nil {
		return r, counted, err
	}
	if p.f.Usage() < p.scarce {
		if p.held.Load() {
			p.Relieve()
			p.held.Store(false)
		}
		return r, true, nil
	}
	if p.held.CompareAndSwap(false, true) {
		p.urgent.Store(true)
		p.hold()
	}
	const most = 4 << 20
	if p.touched.Add(n) >= most {
		p.touched.Store(0)
		p.urgent.Store(true)
		p.f.recede()
		runtime.GC() // a heap with holes needs no fresh page at the moment there is none
	}
	return r, counted, nil
}

// Urgent reports, once each time that it is so, that memory is so scarce that who has
// most of it should have it mapped where the host sees it: as with those that are told to
// let go of it.
func (p *Pool) Urgent() bool { return p.urgent.Load() && p.urgent.Swap(false) }

// hold sets memory aside, if there is some.
func (p *Pool) hold() {
	r, _, err := p.f.allocate(reserveSize, &p.cache)
	if err != nil {
		return
	}
	p.f.Zero(r) // the host gives it now
	p.f.mu.Lock()
	p.reserve, r = r, p.reserve
	p.f.mu.Unlock()
	p.letGo(r)
}

// Relieve gives the host what was set aside, because it has killed somebody for
// want of memory: nothing is left for the sentry to go on with until it has freed
// what that one had.
func (p *Pool) Relieve() {
	p.f.mu.Lock()
	r := p.reserve
	p.reserve = Range{}
	p.f.mu.Unlock()
	p.letGo(r)
}

// letGo drops a reference, and caches nothing.
func (p *Pool) letGo(r Range) {
	if r.Len() > 0 {
		p.f.decRef(r, new(cache))
	}
}

// DecRef is File.DecRef of memory of the pool.
func (p *Pool) DecRef(r Range) { p.used.Add(-int64(p.f.decRef(r, &p.cache))) }

// Close gives what waits back to the host, now and from now on.
func (p *Pool) Close() {
	p.Relieve()
	p.watch.stop()
	p.f.mu.Lock()
	gone := p.cache.drain()
	p.cache.limit = 0
	delete(p.f.mu.pools, p)
	p.f.mu.Unlock()
	p.f.giveBack(gone)
}
