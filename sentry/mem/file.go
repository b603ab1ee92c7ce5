// Package mem is the sandbox's physical memory: one memfd, its allocator, its
// reference counts, and the sentry's own view of it.
//
//   - A page is an offset in the memfd. It exists from Allocate until the last
//     reference is dropped; then the host gets it back, or it waits in a small
//     cache to be used again.
//   - It knows no address space and no file system: mm and tmpfs hold pages.
//   - Pages come zeroed.
package mem

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/usermem"
)

const (
	pageSize = usermem.PageSize

	// chunkSize is by how much the memfd grows, and how much of it the sentry
	// maps at a time, in bytes.
	chunkSize  = 64 << 20
	chunkPages = chunkSize / pageSize
	maxChunks  = 4096

	// cacheLimit is how much freed memory waits, dirty, for its next use, in
	// bytes, and cacheTime how long at most while nothing is freed.
	cacheLimit = 32 << 20
	cacheTime  = time.Second
)

// Range is [Start, End) of bytes of the sandbox's memory, page aligned.
type Range struct{ Start, End uint64 }

// Len returns the length in bytes.
func (r Range) Len() uint64 { return r.End - r.Start }

// File is the memory of one sandbox.
type File struct {
	fd    int    `snapshot:"-"`
	limit uint64 // immutable: bytes; 0 is none
	quiet func() `snapshot:"-"` // see OnQuiet

	views  [maxChunks]atomic.Pointer[[chunkSize]byte] `snapshot:"-"` // the sentry's mapping of each chunk, nil if none
	used   atomic.Uint64                              // bytes that have references
	files  atomic.Uint64                              // see LimitFiles
	scanty atomic.Uint64                              // see LimitPools
	aging  sync.WaitGroup                             `snapshot:"-"` // a timer that is armed or runs

	mu struct {
		lock.Mutex[lock.Leaf]
		end   uint64                // what was ever given out ends here
		size  uint64                // of the memfd
		refs  []*[chunkPages]uint32 // by chunk and page
		free  []Range               // clean ranges below end, in order, never touching
		cache cache                 // dirty ranges
		pools map[*Pool]struct{}
		frees uint64      // how often something was cached, to see whether it still is
		timer *time.Timer `snapshot:"-"` // looks at the cache; nil if it is empty or being looked at

		released bool
	}
}

// New makes the memory of a sandbox that may hold limit bytes; 0 is no limit
// but the host's.
func New(limit uint64) (*File, error) {
	fd, err := unix.MemfdCreate("hull-memory", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := &File{fd: fd, limit: limit}
	f.mu.cache.limit, f.mu.pools = cacheLimit, map[*Pool]struct{}{}
	return f, nil
}

// FD returns the memfd, for the platform to map.
func (f *File) FD() int { return f.fd }

// Usage returns how many bytes are allocated.
func (f *File) Usage() uint64 { return f.used.Load() }

// LimitFiles says how many bytes there may be when memory is asked for that belongs to
// no pool, 0 for as many as there are: files in memory and such. Who writes to one that
// finds none hears of it; nobody has to be killed.
//
// What files had then waits for its next use in a small part of that only: the host
// counts it.
func (f *File) LimitFiles(n uint64) {
	const share = 16
	f.files.Store(n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.cache.limit = cacheLimit
	if n != 0 {
		f.mu.cache.limit = min(cacheLimit, n/share)
	}
}

// LimitPools says with how many bytes in use pools give nothing that the host is not
// sure to kill the right one for, 0 for never. What LimitFiles leaves has to be enough to
// run a few programs.
func (f *File) LimitPools(n uint64) { f.scanty.Store(n) }

// FilesLimited reports whether LimitFiles gave a limit.
func (f *File) FilesLimited() bool { return f.files.Load() != 0 }

// Limit returns how many bytes there may be, 0 for no limit.
func (f *File) Limit() uint64 { return f.limit }

// view returns the sentry's mapping of the chunk that off lies in.
func (f *File) view(off uint64) (*[chunkSize]byte, error) {
	c := off / chunkSize
	if v := f.views[c].Load(); v != nil {
		return v, nil
	}
	p, err := unix.MmapPtr(f.fd, int64(c*chunkSize), nil, chunkSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping sandbox memory: %w", err)
	}
	if !f.views[c].CompareAndSwap(nil, (*[chunkSize]byte)(p)) {
		_ = unix.MunmapPtr(p, chunkSize)
	}
	return f.views[c].Load(), nil
}

// recede takes the pages out of the sentry's mappings. Who touches one finds it as
// it was.
func (f *File) recede() {
	for i := range f.views {
		if v := f.views[i].Load(); v != nil {
			_ = unix.Madvise(v[:], unix.MADV_DONTNEED) // else the sentry has them on
		}
	}
}

// Each calls fn with the sentry's own mapping of r, piece by piece in order,
// until fn returns false. The slices are invalid once the reference that the
// caller has on r is dropped.
func (f *File) Each(r Range, fn func(b []byte) bool) {
	for r.Start < r.End {
		n := min(r.Len(), chunkSize-r.Start%chunkSize)
		if !fn(f.slice(r.Start, n)) {
			return
		}
		r.Start += n
	}
}

// Slice returns the sentry's mapping of the first bytes of r: all of it, unless
// it crosses a chunk. It is invalid once the caller's reference is dropped.
func (f *File) Slice(r Range) []byte {
	return f.slice(r.Start, min(r.Len(), chunkSize-r.Start%chunkSize))
}

func (f *File) slice(off, n uint64) []byte {
	v, err := f.view(off)
	if err != nil {
		// The host has no address space left for the sentry: it cannot go on.
		panic(err)
	}
	off %= chunkSize
	return v[off : off+n : off+n]
}

// Zero clears r.
func (f *File) Zero(r Range) {
	f.Each(r, func(b []byte) bool { clear(b); return true })
}

// Release gives everything back.
func (f *File) Release() {
	f.mu.Lock()
	f.mu.cache, f.mu.pools, f.mu.released = cache{}, nil, true // nothing is left to trim
	timer := f.mu.timer
	f.mu.Unlock()
	if timer != nil && timer.Stop() {
		f.aging.Done()
	}
	f.aging.Wait() // its trim uses the memfd
	for i := range f.views {
		if p := f.views[i].Swap(nil); p != nil {
			_ = unix.MunmapPtr(unsafe.Pointer(p), chunkSize)
		}
	}
	_ = unix.Close(f.fd)
}
