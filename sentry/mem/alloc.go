package mem

import (
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// Allocate returns n bytes (rounded up to pages) that nobody uses, zeroed, with
// one reference on each page. It is one contiguous range. ENOMEM when the limit
// is reached.
//
// A range of the cache is taken first, which costs clearing it; then a hole
// that was given back to the host; then fresh memory behind all other.
func (f *File) Allocate(n uint64) (Range, error) {
	if l := f.files.Load(); l != 0 && f.used.Load()+n > l {
		return Range{}, unix.ENOMEM
	}
	r, _, err := f.allocate(n, &f.mu.cache)
	return r, err
}

// allocate is Allocate with a cache. used says that the range comes from there.
func (f *File) allocate(n uint64, c *cache) (r Range, used bool, err error) {
	if n == 0 || n > maxChunks*chunkSize {
		return Range{}, false, unix.ENOMEM
	}
	n = (n + pageSize - 1) &^ (pageSize - 1)
	f.mu.Lock()
	if f.limit != 0 && f.used.Load()+n > f.limit {
		f.mu.Unlock()
		return Range{}, false, unix.ENOMEM
	}
	r, dirty, err := f.pick(n, c)
	if err != nil {
		f.mu.Unlock()
		return Range{}, false, err
	}
	f.track(r)
	f.each(r, func(ref *uint32) { *ref = 1 })
	f.used.Add(n)
	f.mu.Unlock()
	if dirty {
		f.Zero(r)
	}
	return r, dirty, nil
}

// pick chooses a range. f.mu is held.
func (f *File) pick(n uint64, c *cache) (r Range, dirty bool, err error) {
	if r, ok := c.take(n); ok {
		return r, true, nil
	}
	for i := range f.mu.free {
		if h := &f.mu.free[i]; h.Len() >= n {
			r = Range{h.Start, h.Start + n}
			h.Start += n
			if h.Len() == 0 {
				f.mu.free = append(f.mu.free[:i], f.mu.free[i+1:]...)
			}
			return r, false, nil
		}
	}
	r = Range{f.mu.end, f.mu.end + n}
	if r.End > maxChunks*chunkSize {
		return Range{}, false, unix.ENOMEM
	}
	if r.End > f.mu.size {
		size := (r.End + chunkSize - 1) / chunkSize * chunkSize
		if err := unix.Ftruncate(f.fd, int64(size)); err != nil {
			return Range{}, false, unix.ENOMEM
		}
		f.mu.size = size
	}
	f.mu.end = r.End
	return r, false, nil
}

// track makes sure that the pages of r have counts. f.mu is held.
func (f *File) track(r Range) {
	for uint64(len(f.mu.refs))*chunkSize < r.End {
		f.mu.refs = append(f.mu.refs, new([chunkPages]uint32))
	}
}

// each calls fn with the count of each page of r. f.mu is held.
func (f *File) each(r Range, fn func(ref *uint32)) {
	for p := r.Start / pageSize; p < r.End/pageSize; p++ {
		fn(&f.mu.refs[p/chunkPages][p%chunkPages])
	}
}

// IncRef adds a reference to each page of r.
func (f *File) IncRef(r Range) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.each(r, func(ref *uint32) {
		if *ref == 0 {
			panic("mem: reference to a free page")
		}
		*ref++
	})
}

// Shared reports whether a page of r has more than one reference.
func (f *File) Shared(r Range) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := r.Start / pageSize; p < r.End/pageSize; p++ {
		if f.mu.refs[p/chunkPages][p%chunkPages] > 1 {
			return true
		}
	}
	return false
}

// DecRef drops a reference from each page of r; pages without one are given
// back to the host, or kept to be cleared and used again.
func (f *File) DecRef(r Range) { f.decRef(r, &f.mu.cache) }

// decRef is DecRef with a cache. It returns how many bytes nobody has any more.
func (f *File) decRef(r Range, c *cache) (freed uint64) {
	var few [4]Range
	gone := few[:0] // to be given back: neither used nor free meanwhile
	f.mu.Lock()
	before := f.used.Load()
	run := r.Start // start of the run of freed pages that ends at off
	for off := r.Start; off < r.End; off += pageSize {
		p := off / pageSize
		ref := &f.mu.refs[p/chunkPages][p%chunkPages]
		if *ref == 0 {
			panic("mem: page freed twice")
		}
		if *ref--; *ref > 0 {
			gone = f.discard(Range{run, off}, c, gone)
			run = off + pageSize
		}
	}
	gone = f.discard(Range{run, r.End}, c, gone)
	freed = before - f.used.Load()
	f.mu.Unlock()
	f.giveBack(gone)
	return freed
}

// discard takes back a range without references: into the cache, or else by
// appending it to gone. f.mu is held.
func (f *File) discard(r Range, c *cache, gone []Range) []Range {
	n := r.Len()
	if n == 0 {
		return gone
	}
	f.used.Add(-n)
	if c.bytes+n <= c.limit {
		f.keep(r, c)
		return gone
	}
	return append(gone, r)
}

// keep caches a dirty range. f.mu is held.
func (f *File) keep(r Range, c *cache) {
	f.mu.frees++
	c.put(r)
	if f.mu.timer == nil && !f.mu.released {
		f.arm()
	}
}

// arm has the cache looked at in a while. f.mu is held.
func (f *File) arm() {
	frees := f.mu.frees
	f.aging.Add(1)
	f.mu.timer = time.AfterFunc(cacheTime, func() {
		defer f.aging.Done()
		f.age(frees)
	})
}

// OnQuiet has fn called when, after memory was in use, none was freed for a
// while: whoever holds other memory in reserve can let it go too. It is called
// before the first Allocate.
func (f *File) OnQuiet(fn func()) { f.quiet = fn }

// age trims the cache if nothing was freed since there were so many frees, and
// else looks again later. Nothing runs once the cache is empty.
func (f *File) age(frees uint64) {
	f.mu.Lock()
	quiet := f.mu.frees == frees
	f.mu.timer = nil
	if !quiet && !f.mu.released {
		f.arm()
	}
	f.mu.Unlock()
	if quiet {
		f.Trim()
		if f.quiet != nil {
			f.quiet()
		}
	}
}

// giveBack returns ranges to the host, which may take long, and then to the
// free list. f.mu is not held.
func (f *File) giveBack(gone []Range) {
	if len(gone) == 0 {
		return
	}
	for _, r := range gone {
		if err := unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(r.Start), int64(r.Len())); err != nil {
			// What cannot be punched must at least not show what it held.
			f.Zero(r)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range gone {
		f.insert(r)
	}
}

// insert adds a clean range to the free list, joined with its neighbours. f.mu
// is held.
func (f *File) insert(r Range) {
	l := f.mu.free
	i := sort.Search(len(l), func(i int) bool { return l[i].Start > r.Start })
	if i > 0 && l[i-1].End == r.Start {
		i--
		l[i].End = r.End
	} else {
		l = append(l, Range{})
		copy(l[i+1:], l[i:])
		l[i] = r
	}
	if i+1 < len(l) && l[i].End == l[i+1].Start {
		l[i].End = l[i+1].End
		l = append(l[:i+1], l[i+2:]...)
	}
	if n := len(l); n > 0 && l[n-1].End == f.mu.end {
		f.mu.end = l[n-1].Start
		l = l[:n-1]
	}
	f.mu.free = l
}

// Trim gives what is cached back to the host.
func (f *File) Trim() {
	f.mu.Lock()
	gone := f.mu.cache.drain()
	for p := range f.mu.pools {
		gone = append(gone, p.cache.drain()...)
	}
	f.mu.Unlock()
	f.giveBack(gone)
}
